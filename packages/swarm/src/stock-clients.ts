/// <reference path="./webtorrent.d.ts" />
import { randomInt } from 'node:crypto';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import type WebTorrent from 'webtorrent';
import type { Torrent, Wire } from 'webtorrent';
import { addressOf } from './lane-sources.ts';
import type { PackFile } from './pack-file.ts';
import type { PieceBook } from './piece-book.ts';
import { runsOf } from './piece-ranges.ts';

/**
 * Blocks (16 KiB) a peer may have asked us for at once. A server answers every request it has at once, so this
 * bounds what waits in memory for a slow peer: 4 MiB each.
 */
const maxRequestsInFlight = 256;
const reconcileEveryMs = 1_000;
const maxReconnectPauseMs = 10_000;
/** More than WebTorrent's own list of pauses is long, so that it never reconnects on its own. */
const noReconnect = Number.MAX_SAFE_INTEGER;

export interface StockClientsParts {
  client: WebTorrent;
  /** This member's own address, which it does not connect to. */
  self: SwarmPeer;
  pack: Pack;
  file: PackFile;
  book: PieceBook;
  /** False while as many connections are open as this process may have. */
  mayConnect: () => boolean;
  onError: (error: Error) => void;
}

interface WantedPeer {
  /** The other side's name for itself, once it was reached at this address. */
  peerId: string | undefined;
  failures: number;
  /** No attempt before this moment, in milliseconds since the epoch. */
  retryAt: number;
}

/**
 * One pack's swarm as WebTorrent sees it: members that speak no lanes, stock BitTorrent clients among them. What it
 * fetches and what lanes fetch goes into one book; it asks for pieces only while told to.
 *
 * WebTorrent would reconnect for ever to whom it once met and keeps two connections when two members call each other;
 * so whom to be connected to is kept here, and reconciled with what is connected every second.
 */
export class StockClients {
  readonly #parts: StockClientsParts;
  readonly #torrent: Torrent;
  readonly #pieceCount: number;
  readonly #wanted = new Map<string, WantedPeer>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #timer: NodeJS.Timeout;
  readonly #turn: number;
  /** The runs of pieces that are asked for now. */
  #asking: [first: number, last: number][] = [];

  constructor(parts: StockClientsParts) {
    this.#parts = parts;
    this.#pieceCount = parts.book.shape.pieceCount;
    this.#turn = randomInt(this.#pieceCount);
    // It may be rejected before, or without, anyone waiting for it.
    this.#ready.promise.catch(() => undefined);
    const info = Buffer.from(parts.pack.torrent.info, 'base64');
    const torrentFile = Buffer.concat([Buffer.from('d4:info'), info, Buffer.from('e')]);
    this.#torrent = parts.client.add(torrentFile, {
      preloadedStore: parts.file,
      storeCacheSlots: 0,
      // In order, but each member from another place (`fetch`), so that they have something to give each other.
      // 'rarest' looks through all pieces for every block and begins so many that it was measured to take half as
      // much CPU again and three times the memory.
      strategy: 'sequential',
      deselect: true,
      // Nobody is choked: who takes part is the hub's choice, and no member owes another anything.
      uploads: 1_000_000,
      bitfield: parts.book.bits(),
    });
    this.#torrent.on('ready', () => this.#ready.resolve());
    this.#torrent.on('verified', (piece: number) => {
      if (!parts.book.has[piece]) void parts.file.note(piece);
      parts.book.mark(piece);
    });
    this.#torrent.on('error', (error: Error) => parts.onError(error));
    this.#torrent.on('wire', (wire: Wire, address?: string) => this.#onWire(wire, address));
    parts.book.onMark((piece) => this.#onMark(piece));
    this.#timer = setInterval(() => this.#reconcile(), reconcileEveryMs).unref();
  }

  /** Resolves when the pieces in the file are known and members can be met. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  get bytesSent(): number {
    return this.#torrent.uploaded ?? 0;
  }

  /** The names of those that are connected. */
  members(): string[] {
    return this.#torrent.wires.map((wire) => wire.peerId);
  }

  /** Whether to ask for what is wanted and missing: in order from a random piece on and then from the first. */
  fetch(isWanted: boolean): void {
    if (this.#torrent.destroyed || !this.#torrent.ready) return;
    const runs = isWanted ? this.#runs() : [];
    if (String(runs) === String(this.#asking)) return;
    // As "stream" selections, because WebTorrent joins ordinary ones that touch into one, which begins at the front.
    // Only the very same selection undoes one of these.
    for (const [first, last] of this.#asking) this.#torrent._deselect(first, last, true);
    for (const [turn, [first, last]] of runs.entries())
      this.#torrent._select(first, last, runs.length - turn, null, true);
    this.#asking = runs;
  }

  #runs(): [first: number, last: number][] {
    const runs = runsOf(this.#parts.book.wanted).flatMap(([first, last]): [number, number][] =>
      first < this.#turn && this.#turn <= last
        ? [
            [first, this.#turn - 1],
            [this.#turn, last],
          ]
        : [[first, last]],
    );
    const isLater = ([first]: [number, number]) => Number(first < this.#turn);
    return runs.sort((a, b) => isLater(a) - isLater(b) || a[0] - b[0]);
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

  /** Ends all connections; the file stays as it is, and open. */
  close(reason: Error): void {
    clearInterval(this.#timer);
    this.#ready.reject(reason);
    this.#wanted.clear();
    if (!this.#torrent.destroyed) this.#torrent.destroy({ destroyStore: false }, () => undefined);
  }

  /** A piece came by a lane: WebTorrent serves it from now on, as it does what it fetched itself. */
  #onMark(piece: number): void {
    const torrent = this.#torrent;
    if (torrent.destroyed || !torrent.ready || torrent.bitfield.get(piece)) return;
    torrent._markVerified(piece);
    for (const wire of torrent.wires) wire.have(piece);
    if (this.#parts.book.isWhole) torrent._checkDone();
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
    // Whoever wants nothing is called by others; and two who have everything have nothing to say to each other.
    if (this.#parts.book.isComplete) {
      if (!torrent.done) return;
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
