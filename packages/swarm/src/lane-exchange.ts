import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import type { HandedPeer, RackSlice, SwarmPeer } from '@starling/shared/hub-protocol.ts';
import { IntakeTally } from './intake-tally.ts';
import { pieceBytes } from './lane-frames.ts';
import { Intake, type IntakeEnd } from './lane-intake.ts';
import type { LaneOffer } from './lane-keys.ts';
import type { LaneLimits } from './lane-limits.ts';
import { LaneOutlets } from './lane-outlets.ts';
import { addressOf, LaneSources, type Source } from './lane-sources.ts';
import { monotonicMs } from './monotonic.ts';
import type { PackFile } from './pack-file.ts';
import type { PieceBook } from './piece-book.ts';
import type { PieceBuffer, PieceBuffers } from './piece-buffers.ts';
import type { PieceChecker } from './piece-checker.ts';
import { type Crossing, choosePiece, isWorthTwice, mayCross } from './piece-choice.ts';
import type { Intakes } from './swarm.ts';
import { type RateLine, TokenBucket } from './token-bucket.ts';
import { TurnInLine } from './turn-in-line.ts';
import type { Uplink } from './uplink.ts';

export interface ExchangeParts {
  infoHash: string;
  /** This member's own name and address. */
  member: string;
  self: SwarmPeer;
  book: PieceBook;
  file: PackFile;
  /** Of each piece, as `isPiece` takes it. */
  digests: readonly string[];
  buffers: PieceBuffers;
  checker: PieceChecker;
  uplink: Uplink;
  /** What may be received; it is asked for no sooner. */
  receiving: RateLine | undefined;
  limits: LaneLimits;
  /** False while as many connections are open as this process may have. */
  mayConnect: () => boolean;
  /** Members that answered no lane, each time that changes. */
  onStockPeers: (peers: SwarmPeer[]) => void;
  /** A member sent a piece that is not what it should be; it is not spoken to again for a while. */
  onBadPeer: (peer: SwarmPeer, piece: number) => void;
  /** The keys to call a member with, one after another; undefined is in clear. None at all: nobody is called. */
  offers: () => (LaneOffer | undefined)[];
  /** A member knew none of the keys; it is not called again for a while. */
  onUnproven: (peer: SwarmPeer) => void;
  /** The pack's file cannot be read or written. */
  onFileError: (error: Error) => void;
}

/** Asked of every source in advance, however slow: whoever has to wait for the next question leaves its link idle. */
const askAheadPieces = 3;

/**
 * One pack's lanes: from the members that the hub named, and to those that called. Decides which piece is asked for
 * where; what came is checked and written off the event loop, and then told to all.
 */
export class LaneExchange {
  readonly #parts: ExchangeParts;
  readonly #sources: LaneSources;
  readonly #intakes = new Set<Intake>();
  readonly #outlets: LaneOutlets;
  /** By piece: 1 when it is missing and nobody was asked for it. */
  readonly #open: Uint8Array;
  /** By piece: who was asked. */
  readonly #claims = new Map<number, Set<Intake>>();
  readonly #checking = new Set<number>();
  /** By piece: how many sources have it, and how many of those in the same rack. */
  readonly #holders: Uint16Array;
  readonly #nearHolders: Uint16Array;
  readonly #near = new Set<Intake>();
  #slice: RackSlice | undefined;
  /** What this member may bring into its rack. */
  readonly #bringing = new TokenBucket(() => this.#slice?.bytesPerSecond);
  readonly #receiving: TurnInLine;
  readonly #startAt: number;
  readonly #timer: NodeJS.Timeout;
  readonly #checks = new Set<Promise<void>>();
  readonly #tally = new IntakeTally();
  #isClosed = false;

  constructor(parts: ExchangeParts) {
    const { book, limits } = parts;
    const { pieceCount } = book.shape;
    this.#parts = parts;
    this.#receiving = new TurnInLine(parts.receiving, () => this.#fillAll());
    this.#open = book.wanted.map((bit, piece) => (bit && !book.has[piece] ? 1 : 0));
    this.#holders = new Uint16Array(pieceCount);
    this.#nearHolders = new Uint16Array(pieceCount);
    this.#outlets = new LaneOutlets(parts);
    this.#sources = new LaneSources(parts.self, limits);
    // Among what is wanted, or all members that want the same few pieces would begin with the same one.
    const wanted = [...book.wanted.keys()].filter((piece) => book.wanted[piece]);
    this.#startAt = wanted[randomInt(Math.max(1, wanted.length))] ?? 0;
    book.onMark((piece) => this.#onMark(piece));
    book.onWant((pieces) => this.#onWant(pieces));
    this.#timer = setInterval(() => this.#tick(), limits.tickMs).unref();
  }

  /** Connections that this member opened. */
  get callCount(): number {
    return this.#intakes.size;
  }

  get bytesSent(): number {
    return this.#outlets.bytesSent;
  }

  get pieceCount(): number {
    return this.#parts.book.shape.pieceCount;
  }

  /** The names of the members that a lane is open to, either way. */
  members(): Set<string> {
    const open = [...this.#intakes].filter(({ isOpen }) => isOpen).map(({ member }) => member);
    return new Set([...open, ...this.#outlets.receivers()]);
  }

  /** Who sent how much so far, and how it stands with those that can be asked. */
  intakes(): Intakes {
    const { has, wanted, isComplete } = this.#parts.book;
    const open = [...this.#intakes].filter((intake) => intake.isOpen);
    const isUseful = ({ sourceHas, sourceCount }: Intake) =>
      sourceCount === this.pieceCount || wanted.some((bit, piece) => bit && !has[piece] && sourceHas[piece]);
    const { bytesFrom, wrongPieces, checkingMs } = this.#tally;
    return {
      ...{ bytesFrom, wrongPieces, checkingMs, lanes: open.length },
      useful: isComplete ? 0 : open.filter(isUseful).length,
      asked: open.reduce((sum, { asked }) => sum + asked.size, 0),
    };
  }

  /** Whether a wanted piece is missing that no source has. */
  isWanting(): boolean {
    const { has, wanted } = this.#parts.book;
    return wanted.some((bit, piece) => bit && !has[piece] && this.#holders[piece] === 0);
  }

  setPeers(peers: readonly HandedPeer[], slice?: RackSlice): void {
    if (this.#isClosed) return;
    this.#slice = slice;
    this.#sources.name(peers);
    this.#countNear();
    this.#tellStockPeers();
    this.#connect();
  }

  /** Takes over a socket whose hello asked for this pack. */
  accept(socket: Socket, head: Buffer, receiver: string): void {
    this.#outlets.accept(socket, head, receiver);
  }

  /** Takes a piece that came by another way, and gives its memory back; false when it is not the pack's. Rejects with the disk's error. */
  async take(piece: number, bytes: PieceBuffer): Promise<boolean> {
    const { book, buffers } = this.#parts;
    if (book.has[piece] || this.#checking.has(piece)) {
      buffers.give(bytes);
      return true;
    }
    this.#open[piece] = 0;
    return this.#write(piece, bytes);
  }

  /** Ends all lanes. Resolves when nothing of it touches the file any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#receiving.leave();
    this.#sources.clear();
    for (const intake of this.#intakes) intake.close('closed');
    this.#outlets.close();
    await Promise.all(this.#checks);
  }

  #tick(): void {
    const now = monotonicMs();
    for (const intake of [...this.#intakes]) intake.tick(now);
    this.#outlets.tick(now);
    this.#connect();
    this.#fillAll();
  }

  #connect(): void {
    const { book, mayConnect } = this.#parts;
    if (this.#isClosed || book.isComplete) return;
    const offers = this.#parts.offers();
    for (const source of offers.length > 0 ? this.#sources.due(monotonicMs()) : []) {
      if (!mayConnect()) return;
      source.intake = this.#call(source, offers[source.offer % offers.length]);
      this.#intakes.add(source.intake);
    }
  }

  #call(source: Source, offer: LaneOffer | undefined): Intake {
    const { infoHash, member, book, buffers, limits } = this.#parts;
    return new Intake({
      ...{ peer: source.peer, offer, infoHash, member, book, buffers, limits },
      events: {
        onOpen: (intake) => this.#onOpen(source, intake),
        onHave: (intake, piece) => {
          this.#holders[piece]! += 1;
          if (this.#near.has(intake)) this.#nearHolders[piece]! += 1;
          // There was nothing else to ask it for, so only this piece can be new.
          if (this.#open[piece]) this.#fill(intake);
        },
        onLater: (intake) => {
          this.#unclaim(intake);
          this.#fill(intake);
        },
        onPiece: (intake, piece, bytes) => this.#onPiece(intake, piece, bytes),
        onEnd: (intake, why) => this.#onEnd(source, intake, why),
      },
    });
  }

  #onOpen(source: Source, intake: Intake): void {
    this.#sources.opened(source);
    for (const [piece, bit] of intake.sourceHas.entries()) this.#holders[piece]! += bit;
    this.#countNear();
    this.#fill(intake);
  }

  #onEnd(source: Source, intake: Intake, why: IntakeEnd): void {
    this.#intakes.delete(intake);
    if (intake.isOpen) for (const [piece, bit] of intake.sourceHas.entries()) this.#holders[piece]! -= bit;
    intake.asked.clear();
    this.#unclaim(intake);
    const { book, offers, onUnproven } = this.#parts;
    const [now, offerCount] = [monotonicMs(), offers().length];
    const turned = this.#sources.ended(source, { intake, why, now, isComplete: book.isComplete, offerCount });
    if (this.#near.has(intake)) this.#countNear();
    if (turned === 'unproven') onUnproven(source.peer);
    if (turned === 'stock') this.#tellStockPeers();
    this.#fillAll();
  }

  /** Which lanes lead to neighbours, and what those have. */
  #countNear(): void {
    this.#near.clear();
    this.#nearHolders.fill(0);
    for (const intake of this.#sources.near()) {
      this.#near.add(intake);
      for (const [piece, bit] of intake.sourceHas.entries()) this.#nearHolders[piece]! += bit;
    }
  }

  #crossing(intake: Intake, now: number): Crossing | undefined {
    if (!this.#slice || this.#near.has(intake)) return undefined;
    const { neighbourMs } = this.#parts.limits;
    let busyAt = 0;
    for (const lane of this.#intakes) busyAt = Math.max(busyAt, lane.asked.size > 0 ? now : lane.busyAt);
    return { slice: this.#slice, nearHolders: this.#nearHolders, idleMs: now - busyAt, neighbourMs };
  }

  #tellStockPeers(): void {
    this.#parts.onStockPeers(this.#sources.stockPeers(monotonicMs()));
  }

  /** What a source was asked for and is no longer to come from it is open again. */
  #unclaim(intake: Intake): void {
    for (const [piece, claimants] of this.#claims) {
      if (!claimants.has(intake) || intake.asked.has(piece)) continue;
      claimants.delete(intake);
      if (claimants.size > 0) continue;
      this.#claims.delete(piece);
      if (!this.#parts.book.has[piece] && !this.#checking.has(piece)) this.#open[piece] = 1;
    }
  }

  #fillAll(): void {
    if (this.#parts.book.isComplete) return;
    // Those that still fetch themselves first: what they can give, a seed need not.
    const { pieceCount } = this.#parts.book.shape;
    const order = [...this.#intakes].sort(
      (a, b) => Number(a.sourceCount === pieceCount) - Number(b.sourceCount === pieceCount),
    );
    for (const intake of order) this.#fill(intake);
  }

  /** Asks a source for as much as it is to be asked for in advance. */
  #fill(intake: Intake): void {
    const { book, limits } = this.#parts;
    if (this.#isClosed || !intake.isOpen || book.isComplete) return;
    const aheadBytes = Math.min(limits.askAheadBytes, ((intake.bytesPerSecond ?? 0) * limits.askAheadMs) / 1_000);
    const ahead = Math.max(askAheadPieces, Math.min(32, Math.ceil(aheadBytes / book.shape.pieceLength)));
    const isFar = !this.#near.has(intake);
    while (intake.asked.size < ahead) {
      // Asked again at the next tick.
      if (this.#receiving.isWaiting || (isFar && this.#bringing.waitMs() > 0)) return;
      const piece = this.#choose(intake);
      if (piece === undefined || !this.#receiving.mayPass()) return;
      this.#receiving.take(pieceBytes(piece, book.shape));
      if (isFar) this.#bringing.take(pieceBytes(piece, book.shape));
      this.#open[piece] = 0;
      this.#claims.set(piece, (this.#claims.get(piece) ?? new Set()).add(intake));
      intake.ask(piece, (intake.sourceSentAt[piece] ?? 0) > 0);
    }
  }

  #choose(intake: Intake): number | undefined {
    const { limits, book } = this.#parts;
    const now = monotonicMs();
    const chosen = choosePiece({
      open: this.#open,
      holders: this.#holders,
      sourceHas: intake.sourceHas,
      sourceSentAt: intake.sourceSentAt,
      isSourceComplete: intake.sourceCount === book.shape.pieceCount,
      completeSources: this.#completeSources(),
      startAt: this.#startAt,
      now,
      isPatient: now - intake.busyAt < limits.impatientAfterMs,
      comingMs: limits.comingMs,
      sparedMs: limits.sparedMs,
      crossing: this.#crossing(intake, now),
    });
    if (chosen !== undefined || intake.asked.size > 0) return chosen;
    return this.#chooseAgain(intake, now);
  }

  #completeSources(): number {
    let count = 0;
    for (const { isOpen, sourceCount } of this.#intakes) if (isOpen && sourceCount === this.pieceCount) count += 1;
    return count;
  }

  /** At the end: what somebody else was asked for and is slow to give. */
  #chooseAgain(here: Intake, now: number): number | undefined {
    const crossing = this.#crossing(here, now);
    for (const [piece, claimants] of this.#claims) {
      if (claimants.size !== 1 || claimants.has(here) || !here.sourceHas[piece]) continue;
      if (crossing && !mayCross(piece, crossing)) continue;
      const [there] = claimants;
      if (!there) continue;
      const claim = {
        askedAt: there.asked.get(piece) ?? now,
        bytesAhead: there.bytesAhead(piece),
        bytesPerSecond: there.bytesPerSecond,
      };
      if (isWorthTwice(claim, this.#parts.book.shape.pieceLength, here.bytesPerSecond, now)) return piece;
    }
    return undefined;
  }

  #onPiece(intake: Intake, piece: number, bytes: PieceBuffer): void {
    const { book, buffers } = this.#parts;
    const isWanted = !book.has[piece] && !this.#checking.has(piece) && !this.#isClosed;
    if (isWanted) {
      const check = this.#check(intake, piece, bytes).finally(() => this.#checks.delete(check));
      this.#checks.add(check);
    } else {
      buffers.give(bytes);
    }
    this.#unclaim(intake);
    this.#fill(intake);
  }

  async #check(intake: Intake, piece: number, bytes: PieceBuffer): Promise<void> {
    const { onBadPeer, onFileError } = this.#parts;
    try {
      if (await this.#tally.watch(addressOf(intake.peer), bytes.length, this.#write(piece, bytes))) return;
      this.#sources.distrust(intake.peer, monotonicMs());
      onBadPeer(intake.peer, piece);
      intake.close('defect');
      this.#fillAll();
    } catch (thrown) {
      if (!this.#isClosed) onFileError(thrown as Error);
    }
  }

  /** Checks a piece and writes it; false when it is not the pack's. Gives its memory back. */
  async #write(piece: number, bytes: PieceBuffer): Promise<boolean> {
    const { book, file, checker, digests, buffers } = this.#parts;
    const position = piece * book.shape.pieceLength;
    this.#checking.add(piece);
    let isRight = false;
    try {
      isRight = await file.use((fd) =>
        checker.write(bytes, { fd, position, digest: digests[piece] ?? '' }, file.recordPlace(piece)),
      );
    } finally {
      this.#checking.delete(piece);
      buffers.give(bytes);
      if (!isRight && book.wanted[piece] && !this.#claims.has(piece)) this.#open[piece] = 1;
    }
    if (isRight) book.mark(piece);
    return isRight;
  }

  /** A piece is here, whichever way it came. */
  #onMark(piece: number): void {
    this.#open[piece] = 0;
    for (const intake of this.#claims.get(piece) ?? []) intake.cancel(piece);
    this.#claims.delete(piece);
    for (const intake of this.#intakes) intake.tellHave(piece);
    this.#outlets.tellHave(piece);
    // Whoever wants nothing is called by others, and calls nobody.
    if (this.#parts.book.isComplete) for (const intake of this.#intakes) intake.close('closed');
  }

  #onWant(pieces: readonly number[]): void {
    const { book } = this.#parts;
    for (const piece of pieces) if (!book.has[piece] && !this.#checking.has(piece)) this.#open[piece] = 1;
    this.#connect();
    this.#fillAll();
  }
}
