import { StarlingError } from '@starling/shared/errors.ts';
import type { HandedPeer, RackSlice } from '@starling/shared/hub-protocol.ts';
import { fileError } from './file-error.ts';
import type { LaneExchange } from './lane-exchange.ts';
import type { PackFile } from './pack-file.ts';
import type { PieceBook } from './piece-book.ts';
import type { PieceBuffer, PieceBuffers } from './piece-buffers.ts';
import { feedPieces } from './piece-feed.ts';
import { piecesIn, runsOf } from './piece-ranges.ts';
import type { StockClients } from './stock-clients.ts';
import type { ByteRange, Intakes, Membership, Progress } from './swarm.ts';

export interface MembershipParts {
  infoHash: string;
  book: PieceBook;
  file: PackFile;
  lanes: LaneExchange;
  buffers: PieceBuffers;
  /** Undefined where stock clients are not spoken to. */
  stock: StockClients | undefined;
  onLeave: () => void;
}

const lookEveryMs = 1_000;

/** One pack's swarm: lanes to Starling's own members, WebTorrent for everybody else (where it may join), one book of pieces for both. */
export class PackMembership implements Membership {
  readonly infoHash: string;
  readonly #parts: MembershipParts;
  /** Of what is wanted now; another when more is wanted. */
  #complete = neverUnhandled();
  readonly #timer: NodeJS.Timeout;
  #bytesPerSecond = 0;
  #bytesThen: number;
  #lookedAt = performance.now();
  #left: Promise<void> | undefined;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.infoHash = parts.infoHash;
    this.#bytesThen = parts.book.bytesDone;
    if (parts.book.isComplete) this.#complete.resolve();
    parts.book.onMark(() => {
      if (parts.book.isComplete) this.#complete.resolve();
      if (parts.book.isWhole) void parts.file.removeRecord();
    });
    this.#timer = setInterval(() => this.#look(), lookEveryMs).unref();
  }

  get lanes(): LaneExchange {
    return this.#parts.lanes;
  }

  /** Nothing that is wanted is missing. */
  get isComplete(): boolean {
    return this.#parts.book.isComplete;
  }

  progress(): Progress {
    const { book, lanes, stock } = this.#parts;
    return {
      bytesDone: book.bytesDone,
      bytesTotal: book.bytesWanted,
      bytesHere: book.bytesHere,
      bytesPerSecond: Math.round(this.#bytesPerSecond),
      bytesSent: lanes.bytesSent + (stock?.bytesSent ?? 0),
      peers: lanes.members().size + (stock?.members().length ?? 0),
    };
  }

  intakes(): Intakes {
    return this.#parts.lanes.intakes();
  }

  setPeers(peers: readonly HandedPeer[], slice?: RackSlice): void {
    if (!this.#left) this.#parts.lanes.setPeers(peers, slice);
  }

  widen(ranges: readonly ByteRange[]): void {
    const { book } = this.#parts;
    const pieces = piecesIn(ranges, book.shape);
    if (this.#left) return;
    const wasComplete = book.isComplete;
    book.want(pieces);
    if (wasComplete && !book.isComplete) this.#complete = neverUnhandled();
  }

  missing(): ByteRange[] {
    const { has, wanted, shape } = this.#parts.book;
    const pieces = wanted.map((bit, piece) => (bit && !has[piece] ? 1 : 0));
    return runsOf(pieces).map(([first, last]) => [
      first * shape.pieceLength,
      Math.min(shape.sizeBytes, (last + 1) * shape.pieceLength),
    ]);
  }

  has(range: ByteRange): boolean {
    const { has, shape } = this.#parts.book;
    return piecesIn([range], shape).every((bit, piece) => !bit || has[piece] === 1);
  }

  async supply(start: number, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const { book, buffers, lanes } = this.#parts;
    const take = (piece: number, memory: PieceBuffer) => lanes.take(piece, memory);
    await feedPieces({ shape: book.shape, buffers, take }, start, bytes, signal);
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
    this.#left ??= this.#leave(fileError(this.#parts.file.path, error));
    this.#left.catch(() => undefined);
  }

  async #leave(reason: StarlingError): Promise<void> {
    const { lanes, stock, file, onLeave } = this.#parts;
    clearInterval(this.#timer);
    this.#complete.reject(reason);
    stock?.close(reason);
    try {
      await lanes.close();
      await file.closed();
    } finally {
      onLeave();
    }
  }

  #look(): void {
    const { book, lanes, stock } = this.#parts;
    const now = performance.now();
    const rate = ((book.bytesDone - this.#bytesThen) / (now - this.#lookedAt)) * 1_000;
    // Pieces arrive whole, so one second alone says little.
    this.#bytesPerSecond = book.isComplete ? 0 : 0.5 * this.#bytesPerSecond + 0.5 * rate;
    this.#bytesThen = book.bytesDone;
    this.#lookedAt = now;
    // Both ways at once would fetch much twice; so stock clients are asked for what no lane offers.
    stock?.fetch(!book.isComplete && lanes.isWanting());
  }
}

/** It may be rejected without anyone waiting for it. */
function neverUnhandled(): PromiseWithResolvers<void> {
  const resolvers = Promise.withResolvers<void>();
  resolvers.promise.catch(() => undefined);
  return resolvers;
}
