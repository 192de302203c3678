/// <reference path="./webtorrent.d.ts" />
import type { Server, Socket } from 'node:net';
import type WebTorrent from 'webtorrent';
import { StockClients, type StockClientsParts } from './stock-clients.ts';
import { limitStockClients } from './stock-limits.ts';
import type { PortOptions } from './swarm-port.ts';
import type { TokenBucket } from './token-bucket.ts';

export interface StockEngineOptions extends PortOptions {
  maxConnections: number;
  /** What it sends and receives passes through these. */
  sending?: TokenBucket;
  receiving?: TokenBucket;
}

/** Options of WebTorrent under which it looks for nobody and is found by nobody, and speaks as any client does. */
export const amongItself = {
  dht: false,
  lsd: false,
  utPex: false,
  natUpnp: false,
  natPmp: false,
  utp: false,
  tracker: false,
  webSeeds: false,
  secure: 0,
} as const;

/**
 * WebTorrent, for the swarms where stock BitTorrent clients may join. It is loaded only then: its modules take some
 * 20 MB, and most members speak encrypted lanes alone.
 *
 * Everything is off that looks for strangers: no DHT, no local discovery, no peer exchange, no trackers, no port
 * mapping, no uTP. Members learn of each other from the hub alone (`setPeers`).
 */
export class StockEngine {
  /** Where it listens; who calls there goes to `take` when it is a stock client. */
  readonly server: Server;
  readonly #client: WebTorrent;
  readonly #take: (socket: Socket) => void;
  readonly #letGo: () => void;

  private constructor(client: WebTorrent, pool: NonNullable<WebTorrent['_connPool']>, letGo: () => void) {
    this.#client = client;
    this.#letGo = letGo;
    this.server = pool.tcpServer;
    this.#take = pool._onTCPConnectionBound;
    // Lanes and BitTorrent share the port: whoever calls is listened to before WebTorrent gets to see it.
    this.server.off('connection', this.#take);
  }

  /** Rejects with the system's error when the port cannot be listened on. */
  static async listen({ host, port, maxConnections, ...limits }: StockEngineOptions): Promise<StockEngine> {
    const { default: Client } = await import('webtorrent');
    const client = new Client({
      // Handed to `server.listen` as it is, which is how one says the address too.
      torrentPort: { host, port },
      // WebTorrent forgets to close what it had queued above this number, so it must never get there: the limit
      // that holds is the swarm's own.
      maxConns: 10 * maxConnections,
      ...amongItself,
    });
    const letGo = limitStockClients(client, limits);
    await new Promise<void>((resolve, reject) => {
      client.once('listening', resolve);
      client.once('error', reject);
    });
    if (!client._connPool) throw new Error('WebTorrent listens without a server');
    return new StockEngine(client, client._connPool, letGo);
  }

  onError(listener: (error: Error) => void): void {
    this.#client.on('error', listener);
  }

  /** Connections that were opened here, from the first attempt on. */
  get callCount(): number {
    let calls = 0;
    for (const torrent of this.#client.torrents)
      for (const peer of torrent._peers?.values() ?? []) if (peer.type === 'tcpOutgoing') calls += 1;
    return calls;
  }

  join(parts: Omit<StockClientsParts, 'client'>): StockClients {
    return new StockClients({ ...parts, client: this.#client });
  }

  take(socket: Socket): void {
    this.#take(socket);
  }

  /** To be called when the server is closed: a handshake that arrives at one without a client would end the process. */
  async close(): Promise<void> {
    this.#letGo();
    if (this.#client.destroyed) return;
    await new Promise<void>((resolve) => this.#client.destroy(() => resolve()));
  }
}
