import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Tracker {
  url: string;
  /** Who has announced itself. */
  peers(): number;
  close(): void;
}

/** The least of a BitTorrent tracker (BEP 3, BEP 23) that the peers need to find each other: whoever asks is told of all. */
export async function startTracker(host: string): Promise<Tracker> {
  const peers = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '/', 'http://tracker').searchParams;
    const port = Number(query.get('port'));
    const ip = (request.socket.remoteAddress ?? '').replace('::ffff:', '').split('.').map(Number);
    if (query.get('event') === 'stopped') peers.delete(`${ip}:${port}`);
    else peers.set(`${ip}:${port}`, Buffer.from([...ip, port >> 8, port & 255]));
    const compact = Buffer.concat([...peers.values()]);
    response.end(
      Buffer.concat([
        Buffer.from(`d8:completei1e10:incompletei1e8:intervali5e12:min intervali1e5:peers${compact.length}:`),
        compact,
        Buffer.from('e'),
      ]),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/announce`,
    peers: () => peers.size,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A .torrent file. The key order is that of the encoding: sorted. */
export function torrentFile(announce: string, info: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`d8:announce${announce.length}:${announce}4:info`), info, Buffer.from('e')]);
}
