/// <reference path="./webtorrent.d.ts" />
import { randomInt } from 'node:crypto';
import { StarlingError } from '@starling/shared/errors.ts';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import type WebTorrent from 'webtorrent';
import type { Torrent, Wire } from 'webtorrent';
import { fileError } from './file-error.ts';
import type { PackFile } from './pack-file.ts';
import type { Membership, Progress } from './swarm.ts';

/**
 * Blocks (16 KiB) a peer may have asked us for at once. A server answers every request it has at once, so this
 * bounds what waits in memory for a slow peer: 4 MiB each.
 */
const maxRequestsInFlight = 256;
const reconcileEveryMs = 1_000;
const maxReconnectPauseMs = 10_000;
/** More than WebTorrent's own list of pauses is long, so that it never reconnects on its own. */
const noReconnect = Number.MAX_SAFE_INTEGER;

export interface MembershipParts {
  client: WebTorrent;
  /** This member's own address, which it does not connect to. */
  self: SwarmPeer;
  pack: Pack;
  file: PackFile;
  /** The pieces that the file holds already. */
  bitfield: Uint8Array;
  /** False while as many connections are open as this process may have. */
  mayConnect: () => boolean;
  onLeave: () => void;
}

interface WantedPeer {
  /** The other side's name for itself, once it was reached at this address. */
  peerId: string | undefined;
  failures: number;
  /** No attempt before this moment, in milliseconds since the epoch. */
  retryAt: number;
}

/**
 * One pack's swarm as WebTorrent sees it. WebTorrent would reconnect for ever to whom it once met and keeps two
 * connections when two members call each other; so whom to be connected to is kept here, and reconciled with what
 * is connected every second.
 */
export class WebtorrentMembership implements Membership {
  readonly infoHash: string;
  readonly #parts: MembershipParts;
  readonly #torrent: Torrent;
  readonly #pieceCount: number;
  readonly #wanted = new Map<string, WantedPeer>();
  readonly #complete = Promise.withResolvers<void>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #timer: NodeJS.Timeout;
  #failure: StarlingError | undefined;
  #left: Promise<void> | undefined;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.infoHash = parts.pack.torrent.infoHash;
    this.#pieceCount = Math.ceil(parts.pack.sizeBytes / parts.pack.torrent.pieceLength);
    // Both may be rejected before, or without, anyone waiting for them.
    this.#complete.promise.catch(() => undefined);
    this.#ready.promise.catch(() => undefined);
    const info = Buffer.from(parts.pack.torrent.info, 'base64');
    const torrentFile = Buffer.concat([Buffer.from('d4:info'), info, Buffer.from('e')]);
    this.#torrent = parts.client.add(torrentFile, {
      preloadedStore: parts.file,
      storeCacheSlots: 0,
      // In order, but each member from another place (`#selectAll`), so that they have something to give each other.
      // 'rarest' looks through all pieces for every block and begins so many that it was measured to take half as
      // much CPU again and three times the memory.
      strategy: 'sequential',
      deselect: true,
      // Nobody is choked: who takes part is the hub's choice, and no member owes another anything.
      uploads: 1_000_000,
      bitfield: parts.bitfield,
    });
    this.#torrent.on('ready', () => {
      this.#selectAll();
      this.#ready.resolve();
    });
    this.#torrent.on('done', () => this.#complete.resolve());
    this.#torrent.on('error', (error: Error) => this.fail(error));
    this.#torrent.on('wire', (wire: Wire, address?: string) => this.#onWire(wire, address));
    this.#timer = setInterval(() => this.#reconcile(), reconcileEveryMs).unref();
  }

  /** Resolves when the pieces in the file are known and members can be met. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  progress(): Progress {
    const torrent = this.#torrent;
    return {
      bytesDone: this.#verifiedBytes(),
      bytesTotal: this.#parts.pack.sizeBytes,
      bytesPerSecond: Math.round(torrent.destroyed ? 0 : torrent.downloadSpeed),
      peers: torrent.wires.length,
    };
  }

  setPeers(peers: readonly SwarmPeer[]): void {
    if (this.#torrent.destroyed) return;
    const own = addressOf(this.#parts.self);
    const named = new Set(peers.map(addressOf).filter((address) => address !== own));
    for (const address of this.#wanted.keys()) {
      if (named.has(address)) continue;
      this.#wanted.delete(address);
      if (this.#torrent._peers?.has(address)) this.#torrent.removePeer(address);
    }
    for (const address of named) {
      if (!this.#wanted.has(address)) this.#wanted.set(address, { peerId: undefined, failures: 0, retryAt: 0 });
    }
    this.#reconcile();
  }

  async whenComplete(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#complete.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  leave(): Promise<void> {
    this.#left ??= this.#leave(new StarlingError('UNAVAILABLE', `left the swarm ${this.infoHash}`));
    return this.#left;
  }

  /** Ends the membership because of an error of the engine or of the file. */
  fail(error: Error): void {
    this.#failure ??= fileError(this.#parts.file.path, error);
    this.#left ??= this.#leave(this.#failure);
    this.#left.catch(() => undefined);
  }

  async #leave(reason: StarlingError): Promise<void> {
    clearInterval(this.#timer);
    this.#ready.reject(reason);
    this.#complete.reject(reason);
    this.#wanted.clear();
    if (!this.#torrent.destroyed) this.#torrent.destroy({ destroyStore: false }, () => undefined);
    try {
      await this.#parts.file.closed();
    } finally {
      this.#parts.onLeave();
    }
  }

  /** Asks for every piece, in order from a random one on and then from the first. */
  #selectAll(): void {
    const first = randomInt(this.#pieceCount);
    // As "stream" selections, because WebTorrent joins ordinary ones that touch into one, which begins at the front.
    this.#torrent._select(first, this.#pieceCount - 1, 1, null, true);
    if (first > 0) this.#torrent._select(0, first - 1, 0, null, true);
  }

  #verifiedBytes(): number {
    const { pack } = this.#parts;
    const { bitfield } = this.#torrent;
    if (!bitfield) return 0;
    const { pieceLength } = pack.torrent;
    let bytes = 0;
    for (let index = 0, start = 0; start < pack.sizeBytes; index += 1, start += pieceLength) {
      if (bitfield.get(index)) bytes += Math.min(pieceLength, pack.sizeBytes - start);
    }
    return bytes;
  }

  #onWire(wire: Wire, address: string | undefined): void {
    wire.extendedHandshake.reqq = maxRequestsInFlight;
    const isOutgoing = wire.type === 'tcpOutgoing';
    if (isOutgoing && address) {
      const peer = this.#torrent._peers?.get(address);
      if (peer) peer.retries = noReconnect;
      const wanted = this.#wanted.get(address);
      if (wanted) Object.assign(wanted, { peerId: wire.peerId, failures: 0 });
    }
    const ownId = this.#parts.client.peerId;
    if (wire.peerId === ownId) {
      wire.destroy();
      return;
    }
    const twin = this.#torrent.wires.find((other) => other !== wire && other.peerId === wire.peerId);
    if (!twin) return;
    // Both sides see both connections and must let go of the same one: the one that the smaller name opened stays.
    // Of two that the same side opened the older is a dead one that was not noticed yet.
    const isKept = isOutgoing === ownId < wire.peerId || wire.type === twin.type;
    (isKept ? twin : wire).destroy();
  }

  #reconcile(): void {
    const torrent = this.#torrent;
    if (torrent.destroyed || !torrent.ready) return;
    // Whoever has everything is called by others; and two who have everything have nothing to say to each other.
    if (torrent.done) {
      for (const wire of [...torrent.wires]) if (this.#hasEverything(wire)) wire.destroy();
      return;
    }
    const connected = new Set(torrent.wires.map((wire) => wire.peerId));
    const now = Date.now();
    for (const [address, wanted] of this.#wanted) {
      if (torrent._peers?.has(address) || (wanted.peerId && connected.has(wanted.peerId))) continue;
      if (now < wanted.retryAt || !this.#parts.mayConnect()) continue;
      wanted.failures += 1;
      wanted.retryAt = now + Math.min(maxReconnectPauseMs, 500 * 2 ** wanted.failures);
      torrent.addPeer(address);
      const peer = torrent._peers?.get(address);
      if (peer) peer.retries = noReconnect;
    }
  }

  #hasEverything(wire: Wire): boolean {
    for (let index = 0; index < this.#pieceCount; index += 1) if (!wire.peerPieces.get(index)) return false;
    return true;
  }
}

function addressOf({ host, port }: SwarmPeer): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
