import { connect, type OnReadOpts, type Socket } from 'node:net';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import { FrameReader } from './frame-reader.ts';
import {
  type DataFrame,
  decodeHello,
  encodeFrame,
  encodeHello,
  helloBytes,
  type LaneAnswer,
  LaneDefect,
  type LaneFrame,
  packBits,
  pieceBytes,
  unpackBits,
} from './lane-frames.ts';
import type { LaneOffer } from './lane-keys.ts';
import type { LaneLimits } from './lane-limits.ts';
import { LaneMail } from './lane-mail.ts';
import { callSealed, isUnproven } from './lane-tls.ts';
import { monotonicMs } from './monotonic.ts';
import type { PieceBook } from './piece-book.ts';
import type { PieceBuffer, PieceBuffers } from './piece-buffers.ts';

/**
 * Why a lane ended. `foreign`: the other side speaks something else. `silent`: it took the call and hung up without a
 * word, as stock clients do. `unproven`: it does not know the key.
 */
export type IntakeEnd =
  | 'closed'
  | 'foreign'
  | 'silent'
  | 'unproven'
  | 'defect'
  | 'quiet'
  | 'stalled'
  | Exclude<LaneAnswer, 'welcome'>;

export interface IntakeEvents {
  /** The source is known, and what it has. */
  onOpen(intake: Intake): void;
  onHave(intake: Intake, piece: number): void;
  /** There is something else to ask for: what was asked is not to be had now. */
  onLater(intake: Intake): void;
  /** All bytes of a piece that was asked for; they are the caller's to check and to give back. */
  onPiece(intake: Intake, piece: number, bytes: PieceBuffer): void;
  onEnd(intake: Intake, why: IntakeEnd): void;
}

export interface IntakeParts {
  peer: SwarmPeer;
  /** The key that it is called with; in clear without. */
  offer: LaneOffer | undefined;
  infoHash: string;
  /** This member's own name. */
  member: string;
  book: PieceBook;
  buffers: PieceBuffers;
  limits: LaneLimits;
  events: IntakeEvents;
}

interface Arriving {
  piece: number;
  bytes: PieceBuffer;
  filled: number;
}

const longAgo = 1;
const promised = Number.POSITIVE_INFINITY;
/** What the socket reads into when it has no place of its own yet: during the hello, and after a pause. */
const bounceBytes = 64 * 1024;

/** The receiving end of a lane, which calls: asks a source for pieces and puts their bytes where they belong. */
export class Intake {
  readonly peer: SwarmPeer;
  /** By piece, what the source has, and when it last gave a piece to somebody else: see `Choice`. */
  readonly sourceHas: Uint8Array;
  readonly sourceSentAt: Float64Array;
  /** What was asked for and is not whole yet, oldest first, with when. */
  readonly asked = new Map<number, number>();
  member = '';
  isOpen = false;
  sourceCount = 0;
  /** Of late; undefined until a piece came. */
  bytesPerSecond: number | undefined;
  /** When it last had something to give that was asked for. */
  busyAt = monotonicMs();
  readonly #parts: IntakeParts;
  readonly #socket: Socket;
  readonly #mail: LaneMail;
  readonly #reader: FrameReader;
  readonly #bounce = Buffer.allocUnsafeSlow(bounceBytes);
  readonly #helloTimer: NodeJS.Timeout;
  /** Bytes of pieces that are no longer wanted may still be on their way. */
  readonly #cancelled = new Set<number>();
  /** Came whole, and is being checked. */
  readonly #unconfirmed = new Set<number>();
  readonly #onRoom = () => this.#resume();
  #hello: Buffer | undefined = Buffer.alloc(0);
  #arriving: Arriving | undefined;
  /** The socket reads into the memory of what arrives. */
  #isFilling = false;
  /** What was read but has no place until there is room. */
  #held: Buffer | undefined;
  #current: Uint8Array;
  #heardAt = monotonicMs();
  #dataAt = monotonicMs();
  #lastPieceAt = 0;
  #end: IntakeEnd | undefined;

  constructor(parts: IntakeParts) {
    const { peer, offer, limits, book } = parts;
    this.#parts = parts;
    this.peer = peer;
    this.sourceHas = new Uint8Array(book.shape.pieceCount);
    this.sourceSentAt = new Float64Array(book.shape.pieceCount);
    this.#current = this.#bounce;
    this.#reader = new FrameReader('sender', book.shape, {
      onFrame: (frame, body) => this.#onFrame(frame, body),
      placeFor: (frame) => this.#placeFor(frame),
      onData: (frame) => this.#onData(frame),
    });
    const onread: OnReadOpts = {
      buffer: () => (this.#current = this.#nextPlace()),
      callback: (bytes) => this.#onBytes(bytes),
    };
    this.#socket = offer ? callSealed(peer, offer, onread) : connect({ ...peer, noDelay: true, onread });
    this.#mail = new LaneMail(this.#socket);
    this.#socket.once(offer ? 'secureConnect' : 'connect', () => {
      this.#say(encodeHello({ answer: 'welcome', ...this.#identity() }));
    });
    this.#socket.on('error', (error) => {
      if (offer && isUnproven(error)) this.#end ??= 'unproven';
      this.#socket.destroy();
    });
    this.#socket.once('close', () => this.#closed());
    this.#helloTimer = setTimeout(() => this.close('quiet'), limits.helloTimeoutMs).unref();
  }

  get isSealed(): boolean {
    return this.#parts.offer !== undefined;
  }

  /** Asks for a piece; `onPiece`, `onLater` or the end of the lane follows. */
  ask(piece: number, isKnowing: boolean): void {
    if (this.asked.size === 0) this.#dataAt = monotonicMs();
    this.busyAt = monotonicMs();
    this.asked.set(piece, this.busyAt);
    this.#say(encodeFrame({ type: 'ask', piece, isKnowing }));
  }

  /** The piece came from elsewhere. */
  cancel(piece: number): void {
    if (!this.asked.delete(piece)) return;
    this.#cancelled.add(piece);
    if (this.#arriving?.piece === piece && !this.#isFilling) this.#drop();
    this.#say(encodeFrame({ type: 'cancel', piece }));
  }

  /** A source that sent the piece counts it as under way until it hears this; to others it matters little. */
  tellHave(piece: number): void {
    const { newsMs, idleNewsMs } = this.#parts.limits;
    const isAwaited = this.#unconfirmed.delete(piece);
    if (this.isOpen) this.#mail.add(encodeFrame({ type: 'have', piece }), isAwaited ? newsMs : idleNewsMs);
  }

  /** Bytes that are still to come until `piece` is whole, those that are sent before it too. */
  bytesAhead(piece: number): number {
    let bytes = 0;
    for (const asked of this.asked.keys()) {
      bytes += pieceBytes(asked, this.#parts.book.shape);
      if (this.#arriving?.piece === asked) bytes -= this.#arriving.filled;
      if (asked === piece) break;
    }
    return bytes;
  }

  /** To be called every now and then: says that it is still there, and ends when the source is not. */
  tick(now: number): void {
    const { limits } = this.#parts;
    // What waits here for room says nothing of the source.
    if (this.#held) this.#heardAt = this.#dataAt = now;
    if (this.asked.size > 0) this.busyAt = now;
    if (now - this.#heardAt > limits.quietAfterMs) this.close('quiet');
    else if (this.asked.size > 0 && now - this.#dataAt > limits.stalledAfterMs) this.close('stalled');
    else if (this.isOpen && now - this.#mail.spokeAt > limits.pingEveryMs) this.#say(encodeFrame({ type: 'ping' }));
  }

  close(why: IntakeEnd): void {
    this.#end ??= why;
    this.#socket.destroy();
  }

  #identity() {
    const { infoHash, member, book } = this.#parts;
    return { infoHash, member, pieceCount: book.shape.pieceCount };
  }

  #say(bytes: Buffer): void {
    this.#mail.send(bytes);
  }

  #nextPlace(): Uint8Array {
    // The constructor of the socket asks before there is a reader.
    if (this.#hello || this.#held) return this.#bounce;
    return this.#reader.target() ?? this.#bounce;
  }

  /** False when the socket is to wait until there is room. */
  #onBytes(bytes: number): boolean {
    this.#heardAt = monotonicMs();
    try {
      if (this.#current === this.#bounce) this.#feed(this.#bounce.subarray(0, bytes));
      else this.#reader.advance(bytes);
    } catch (thrown) {
      if (!(thrown instanceof LaneDefect)) throw thrown;
      this.close(this.isOpen ? 'defect' : 'foreign');
      return false;
    }
    if (!this.#held && !this.#reader.target() && !this.#socket.destroyed) this.#waitForRoom(Buffer.alloc(0));
    return !this.#held;
  }

  #feed(bytes: Buffer): void {
    let rest = this.#hello ? this.#takeHello(bytes) : bytes;
    while (rest.length > 0 && !this.#socket.destroyed) {
      const target = this.#reader.target();
      if (!target) {
        this.#waitForRoom(Buffer.from(rest));
        return;
      }
      const length = Math.min(target.length, rest.length);
      target.set(rest.subarray(0, length));
      rest = rest.subarray(length);
      this.#reader.advance(length);
    }
  }

  #takeHello(bytes: Buffer): Buffer {
    const all = Buffer.concat([this.#hello ?? bytes, bytes]);
    // A stock client that says something else is not waited for to say more of it.
    if (all.length < helloBytes && all[0] === encodeHello({ answer: 'welcome', ...this.#identity() })[0]) {
      this.#hello = all;
      return Buffer.alloc(0);
    }
    const hello = decodeHello(all.subarray(0, helloBytes));
    const own = this.#identity();
    this.#hello = undefined;
    if (hello.answer !== 'welcome') {
      this.close(hello.answer);
      return Buffer.alloc(0);
    }
    if (hello.infoHash !== own.infoHash || hello.pieceCount !== own.pieceCount)
      throw new LaneDefect('an answer for another pack');
    this.member = hello.member;
    if (hello.member === own.member) this.close('self');
    clearTimeout(this.#helloTimer);
    const bits = packBits(this.#parts.book.has);
    this.#say(Buffer.concat([encodeFrame({ type: 'has', length: bits.length }), bits]));
    return all.subarray(helloBytes);
  }

  #waitForRoom(held: Buffer): void {
    this.#held = held;
    this.#parts.buffers.wait(this.#onRoom);
  }

  #resume(): void {
    const held = this.#held;
    if (!held || this.#socket.destroyed) return;
    if (!this.#reader.retry()) {
      this.#parts.buffers.wait(this.#onRoom);
      return;
    }
    this.#held = undefined;
    try {
      this.#feed(held);
    } catch (thrown) {
      if (!(thrown instanceof LaneDefect)) throw thrown;
      this.close('defect');
      return;
    }
    // The socket still has the place that it was given before the pause, which is the bounce.
    if (!this.#held) this.#socket.resume();
  }

  #onFrame(frame: Exclude<LaneFrame, DataFrame>, body: Uint8Array): void {
    const { events, book } = this.#parts;
    if (frame.type === 'has') {
      if (this.isOpen) throw new LaneDefect('has is said once');
      this.sourceHas.set(unpackBits(body, book.shape.pieceCount));
      this.sourceCount = this.sourceHas.reduce((sum, bit) => sum + bit, 0);
      this.isOpen = true;
      events.onOpen(this);
      return;
    }
    if (frame.type === 'ping') return;
    if (frame.type === 'gave') {
      for (const [piece, bit] of unpackBits(body, book.shape.pieceCount).entries())
        if (bit) this.sourceSentAt[piece] ||= longAgo;
      return;
    }
    if (!this.isOpen) throw new LaneDefect('has comes first');
    if (!('piece' in frame)) return;
    const { piece } = frame;
    if (frame.type === 'have' && !this.sourceHas[piece]) {
      this.sourceHas[piece] = 1;
      this.sourceCount += 1;
      events.onHave(this, piece);
    } else if (frame.type === 'sent') {
      this.sourceSentAt[piece] = frame.isDone ? monotonicMs() : promised;
    } else if (frame.type === 'back') {
      this.sourceSentAt[piece] = 0;
    } else if (frame.type === 'later' && this.asked.delete(piece)) {
      // What is said of it just before is why.
      events.onLater(this);
    }
  }

  #placeFor({ piece, length, isFirst }: DataFrame): Uint8Array | 'later' | undefined {
    const whole = pieceBytes(piece, this.#parts.book.shape);
    if (isFirst && this.asked.has(piece)) {
      this.#drop();
      const bytes = this.#parts.buffers.take(whole);
      if (!bytes) return 'later';
      this.#cancelled.delete(piece);
      this.#arriving = { piece, bytes, filled: 0 };
    }
    const arriving = this.#arriving;
    if (arriving?.piece === piece && this.asked.has(piece)) {
      if (arriving.filled + length > whole) throw new LaneDefect(`too many bytes of piece ${piece}`);
      this.#isFilling = true;
      return arriving.bytes.subarray(arriving.filled, arriving.filled + length);
    }
    if (this.#cancelled.has(piece)) return undefined;
    throw new LaneDefect(`piece ${piece} was not asked for`);
  }

  #onData({ piece, length }: DataFrame): void {
    const now = monotonicMs();
    this.#dataAt = now;
    this.busyAt = now;
    this.#isFilling = false;
    const arriving = this.#arriving;
    if (arriving?.piece !== piece) return;
    // It was cancelled while its bytes came. Only now does the socket no longer write into its memory.
    if (!this.asked.has(piece)) {
      this.#drop();
      return;
    }
    arriving.filled += length;
    if (arriving.filled < arriving.bytes.length) return;
    this.#arriving = undefined;
    const since = Math.max(this.asked.get(piece) ?? now, this.#lastPieceAt);
    const rate = (arriving.bytes.length / Math.max(1, now - since)) * 1_000;
    this.bytesPerSecond = this.bytesPerSecond === undefined ? rate : 0.7 * this.bytesPerSecond + 0.3 * rate;
    this.#lastPieceAt = now;
    this.asked.delete(piece);
    this.#unconfirmed.add(piece);
    this.#parts.events.onPiece(this, piece, arriving.bytes);
  }

  #drop(): void {
    if (this.#arriving) this.#parts.buffers.give(this.#arriving.bytes);
    this.#arriving = undefined;
  }

  #closed(): void {
    clearTimeout(this.#helloTimer);
    this.#mail.close();
    this.#parts.buffers.forget(this.#onRoom);
    this.#drop();
    const wasReached = this.#socket.bytesWritten > 0 && this.#socket.bytesRead === 0;
    this.#end ??= !this.isOpen && wasReached && !this.isSealed ? 'silent' : 'closed';
    this.#parts.events.onEnd(this, this.#end);
  }
}
