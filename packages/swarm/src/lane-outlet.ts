import type { Socket } from 'node:net';
import { FrameReader } from './frame-reader.ts';
import {
  type DataFrame,
  encodeFrame,
  encodeHello,
  LaneDefect,
  type LaneFrame,
  packBits,
  pieceBytes,
  unpackBits,
} from './lane-frames.ts';
import type { LaneLimits } from './lane-limits.ts';
import { LaneMail } from './lane-mail.ts';
import { monotonicMs } from './monotonic.ts';
import type { PackFile } from './pack-file.ts';
import type { PieceBook } from './piece-book.ts';
import { nextAsked } from './turns.ts';
import type { UnderWay, Uplink, Waiting } from './uplink.ts';

export interface OutletEvents {
  onOpen(outlet: Outlet): void;
  /** Whether somebody else is to be sent this piece, or was. */
  given(piece: number): 'promised' | 'sent' | undefined;
  onPromise(outlet: Outlet, piece: number): void;
  /** The receiver has a piece that it was sent. */
  onDone(outlet: Outlet, piece: number): void;
  /** What was promised is not to be counted on any more. */
  onUnpromise(piece: number, wasSent: boolean): void;
  onSent(bytes: number): void;
  onReadError(error: Error): void;
  onEnd(outlet: Outlet): void;
}

export interface OutletParts {
  socket: Socket;
  /** What the socket had said after its hello. */
  head: Buffer;
  /** The receiver's name, from its hello. */
  receiver: string;
  infoHash: string;
  member: string;
  book: PieceBook;
  /** The pieces that anyone was given by this member. */
  gave: Uint8Array;
  file: PackFile;
  uplink: Uplink;
  limits: LaneLimits;
  events: OutletEvents;
}

export type OutletNews = { type: 'sent'; piece: number; isDone: boolean } | { type: 'back'; piece: number };

const maxAsked = 64;

/** The sending end of a lane, which was called: gives pieces, one after another (`turns.ts` says which first). */
export class Outlet implements Waiting {
  readonly receiver: string;
  isOpen = false;
  readonly receiverHas: Uint8Array;
  readonly #parts: OutletParts;
  readonly #mail: LaneMail;
  readonly #reader: FrameReader;
  readonly #asked: number[] = [];
  /** Pieces that were sent and that the receiver has not said to have. */
  readonly #unconfirmed = new Map<number, UnderWay>();
  /** Of what was asked for and not confirmed: what others were told to count on. */
  readonly #promised = new Set<number>();
  #sending: number | undefined;
  #isCancelled = false;
  #receiverCount = 0;
  #piecesSent = 0;
  #heardAt = monotonicMs();

  constructor(parts: OutletParts) {
    const { socket, book, infoHash, member, head, receiver, limits } = parts;
    this.#parts = parts;
    this.receiver = receiver;
    this.receiverHas = new Uint8Array(book.shape.pieceCount);
    this.#mail = new LaneMail(socket);
    this.#reader = new FrameReader('receiver', book.shape, {
      onFrame: (frame, body) => this.#onFrame(frame, body),
      placeFor: () => undefined,
      onData: () => undefined,
    });
    const has = packBits(book.has);
    const gave = packBits(parts.gave);
    this.#say(
      Buffer.concat([
        encodeHello({ answer: 'welcome', infoHash, member, pieceCount: book.shape.pieceCount }),
        ...[encodeFrame({ type: 'has', length: has.length }), has],
        ...[encodeFrame({ type: 'gave', length: gave.length }), gave],
      ]),
    );
    socket.on('data', (bytes: Buffer) => this.#onBytes(bytes));
    socket.once('close', () => this.#closed());
    socket.setTimeout(limits.quietAfterMs * 4, () => socket.destroy());
    if (head.length > 0) this.#onBytes(head);
    socket.resume();
  }

  get isNewcomer(): boolean {
    return this.#piecesSent === 0 && this.#receiverCount === 0;
  }

  get wantsUngiven(): boolean {
    return this.#asked.some((piece) => this.#parts.gave[piece] === 0);
  }

  tellHave(piece: number): void {
    this.#mail.add(encodeFrame({ type: 'have', piece }), this.#parts.limits.newsMs);
  }

  /** A piece is promised or sent to somebody else, or is not after all; of interest to who has not got it. */
  tell(frame: OutletNews): void {
    if (this.isOpen && !this.receiverHas[frame.piece]) this.#mail.add(encodeFrame(frame), this.#parts.limits.newsMs);
  }

  tick(now: number): void {
    const { limits } = this.#parts;
    this.#takeBackPromises(now);
    if (now - this.#heardAt > limits.quietAfterMs) this.close();
    else if (now - this.#mail.spokeAt > limits.pingEveryMs && this.#sending === undefined)
      this.#say(encodeFrame({ type: 'ping' }));
  }

  close(): void {
    this.#parts.socket.destroy();
  }

  async sendOne(): Promise<boolean> {
    const { book, events, file, gave, socket, uplink } = this.#parts;
    if (this.#asked.length === 0 || socket.destroyed) return false;
    const [piece] = this.#asked.splice(nextAsked(this.#asked, gave), 1) as [number];
    const length = pieceBytes(piece, book.shape);
    this.#sending = piece;
    this.#isCancelled = false;
    this.#unconfirmed.set(piece, uplink.begin(this, length));
    try {
      await this.#send(piece, length, file);
      if (!this.#isCancelled && !socket.destroyed) this.#piecesSent += 1;
    } catch (thrown) {
      this.#giveUp(piece);
      if (!socket.destroyed) events.onReadError(thrown as Error);
    }
    this.#sending = undefined;
    return this.#asked.length > 0 && !socket.destroyed;
  }

  /** The receiver has it; whether from here does not matter. */
  #confirm(piece: number): void {
    const underWay = this.#unconfirmed.get(piece);
    if (!underWay) return;
    this.#unconfirmed.delete(piece);
    underWay.end(true);
    const { events } = this.#parts;
    if (this.#promised.delete(piece)) events.onUnpromise(piece, true);
    events.onDone(this, piece);
  }

  #giveUp(piece: number): void {
    this.#unconfirmed.get(piece)?.end(false);
    this.#unconfirmed.delete(piece);
    if (this.#promised.delete(piece)) this.#parts.events.onUnpromise(piece, false);
  }

  /** Who is slow to take what it was sent is not to keep others waiting for it, nor for what it is to be sent then. */
  #takeBackPromises(now: number): void {
    if (this.#promised.size === 0) return;
    const since = now - this.#parts.uplink.slowAfterMs;
    if (![...this.#unconfirmed.values()].some(({ startedAt }) => startedAt < since)) return;
    for (const piece of this.#promised) this.#parts.events.onUnpromise(piece, false);
    this.#promised.clear();
  }

  /** Reads the next bytes while the last ones are on their way into the socket; never more than two of them. */
  async #send(piece: number, length: number, file: PackFile): Promise<void> {
    const { limits, book, events, socket, uplink } = this.#parts;
    let writing: Promise<void> = Promise.resolve();
    for (let offset = 0; offset < length && !this.#isCancelled && !socket.destroyed; ) {
      const bytes = Math.min(limits.chunkBytes, length - offset);
      const buffer = uplink.takeChunk();
      try {
        await file.readInto(buffer, bytes, piece * book.shape.pieceLength + offset);
      } catch (thrown) {
        uplink.giveChunk(buffer);
        throw thrown;
      } finally {
        await writing;
      }
      if (this.#isCancelled || socket.destroyed) {
        uplink.giveChunk(buffer);
        break;
      }
      const header = encodeFrame({ type: 'data', piece, length: bytes, isFirst: offset === 0 });
      writing = this.#write(header, buffer.subarray(0, bytes)).then(() => uplink.giveChunk(buffer));
      events.onSent(bytes);
      offset += bytes;
    }
    await writing;
  }

  /** Resolves when the system has taken the bytes, or the socket is closed; the buffer is free again then. */
  #write(header: Buffer, bytes: Buffer): Promise<void> {
    return new Promise((resolve) => this.#mail.send(header, bytes, resolve));
  }

  #say(bytes: Buffer): void {
    this.#mail.send(bytes);
  }

  #onBytes(bytes: Buffer): void {
    this.#heardAt = monotonicMs();
    try {
      for (let rest = bytes; rest.length > 0 && !this.#parts.socket.destroyed; ) {
        const target = this.#reader.target();
        if (!target) return;
        const length = Math.min(target.length, rest.length);
        target.set(rest.subarray(0, length));
        rest = rest.subarray(length);
        this.#reader.advance(length);
      }
    } catch (thrown) {
      if (!(thrown instanceof LaneDefect)) throw thrown;
      this.close();
    }
  }

  #onFrame(frame: Exclude<LaneFrame, DataFrame>, body: Uint8Array): void {
    const { events, book } = this.#parts;
    if (frame.type === 'has') {
      if (this.isOpen) throw new LaneDefect('has is said once');
      this.receiverHas.set(unpackBits(body, book.shape.pieceCount));
      this.#receiverCount = this.receiverHas.reduce((sum, bit) => sum + bit, 0);
      this.isOpen = true;
      events.onOpen(this);
    } else if (frame.type === 'have') {
      if (!this.receiverHas[frame.piece]) this.#receiverCount += 1;
      this.receiverHas[frame.piece] = 1;
      this.#confirm(frame.piece);
    } else if (frame.type === 'ask') {
      this.#onAsk(frame.piece, frame.isKnowing);
    } else if (frame.type === 'cancel') {
      this.#onCancel(frame.piece);
    }
  }

  #onAsk(piece: number, isKnowing: boolean): void {
    const { events, book, uplink } = this.#parts;
    if (!this.isOpen) throw new LaneDefect('has comes first');
    if (!book.has[piece]) throw new LaneDefect(`piece ${piece} is not here`);
    if (this.#asked.length >= maxAsked || this.#asked.includes(piece) || this.#unconfirmed.has(piece))
      throw new LaneDefect('asked for too much');
    const given = isKnowing ? undefined : events.given(piece);
    if (given) {
      this.tell({ type: 'sent', piece, isDone: given === 'sent' });
      this.#say(encodeFrame({ type: 'later', piece }));
      return;
    }
    this.#promised.add(piece);
    events.onPromise(this, piece);
    this.#asked.push(piece);
    uplink.request(this);
  }

  #onCancel(piece: number): void {
    if (this.#sending === piece) this.#isCancelled = true;
    this.#giveUp(piece);
    const at = this.#asked.indexOf(piece);
    if (at >= 0) this.#asked.splice(at, 1);
  }

  #closed(): void {
    const { uplink, events } = this.#parts;
    uplink.forget(this);
    this.#mail.close();
    this.#asked.length = 0;
    for (const piece of this.#unconfirmed.keys()) this.#giveUp(piece);
    for (const piece of this.#promised) events.onUnpromise(piece, false);
    this.#promised.clear();
    events.onEnd(this);
  }
}
