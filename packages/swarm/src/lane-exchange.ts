import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import type { HandedPeer, RackSlice, SwarmPeer } from '@starling/shared/hub-protocol.ts';
import { IntakeTally } from './intake-tally.ts';
import { pieceBytes } from './lane-frames.ts';
import { Intake, type IntakeEnd } from './lane-intake.ts';
import type { LaneOffer } from './lane-keys.ts';
import type { LaneLimits } from './lane-limits.ts';
import { Outlet, type OutletNews } from './lane-outlet.ts';
import { monotonicMs } from './monotonic.ts';
import type { PackFile } from './pack-file.ts';
import type { PieceBook } from './piece-book.ts';
import type { PieceBuffer, PieceBuffers } from './piece-buffers.ts';
import type { PieceChecker } from './piece-checker.ts';
import { type Crossing, choosePiece, isWorthTwice, mayCross } from './piece-choice.ts';
import type { Intakes } from './swarm.ts';
import type { TokenBucket } from './token-bucket.ts';
import type { Uplink } from './uplink.ts';

export interface ExchangeParts {
  infoHash: string;
  /** This member's own name and address. */
  member: string;
  self: SwarmPeer;
  book: PieceBook;
  file: PackFile;
  /** SHA-1 of each piece, hexadecimal. */
  digests: readonly string[];
  buffers: PieceBuffers;
  checker: PieceChecker;
  uplink: Uplink;
  /** What may be received; it is asked for no sooner. */
  receiving: TokenBucket;
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

interface Source {
  peer: SwarmPeer;
  isNear: boolean;
  intake: Intake | undefined;
  failures: number;
  /** No attempt before this moment. */
  retryAt: number;
  /** Calls in a row that were taken and ended without a word. */
  silentEnds: number;
  stockUntil: number;
  /** Which of the keys it is to be called with. */
  offer: number;
}

const maxPauseMs = 10_000;
const firstPauseMs = 250;

/**
 * One pack's lanes: from the members that the hub named, and to those that called. Decides which piece is asked for
 * where; what came is checked and written off the event loop, and then told to all.
 */
export class LaneExchange {
  readonly #parts: ExchangeParts;
  readonly #sources = new Map<string, Source>();
  readonly #intakes = new Set<Intake>();
  readonly #outlets = new Set<Outlet>();
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
  /** By piece: whether anyone was sent it by this member, and how many are about to be. */
  readonly #gave: Uint8Array;
  readonly #promises: Uint16Array;
  readonly #distrusted = new Map<string, number>();
  readonly #startAt: number;
  readonly #timer: NodeJS.Timeout;
  readonly #checks = new Set<Promise<void>>();
  readonly #tally = new IntakeTally();
  bytesSent = 0;
  #isClosed = false;

  constructor(parts: ExchangeParts) {
    const { book, limits } = parts;
    const { pieceCount } = book.shape;
    this.#parts = parts;
    this.#open = book.wanted.map((bit, piece) => (bit && !book.has[piece] ? 1 : 0));
    this.#holders = new Uint16Array(pieceCount);
    this.#nearHolders = new Uint16Array(pieceCount);
    this.#gave = new Uint8Array(pieceCount);
    this.#promises = new Uint16Array(pieceCount);
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

  get pieceCount(): number {
    return this.#parts.book.shape.pieceCount;
  }

  /** The names of the members that a lane is open to, either way. */
  members(): Set<string> {
    const open = [...this.#intakes].filter(({ isOpen }) => isOpen).map(({ member }) => member);
    return new Set([...open, ...[...this.#outlets].map(({ receiver }) => receiver)]);
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
    const own = addressOf(this.#parts.self);
    const named = new Map(
      peers.map((peer) => [addressOf(peer), peer]).filter(([address]) => address !== own) as [string, HandedPeer][],
    );
    for (const [address, { intake }] of this.#sources) {
      if (named.has(address)) continue;
      this.#sources.delete(address);
      intake?.close('closed');
    }
    for (const [address, { near, ...peer }] of named) {
      const source = this.#sources.get(address) ?? newSource(peer);
      source.isNear = near ?? false;
      this.#sources.set(address, source);
    }
    this.#countNear();
    this.#tellStockPeers();
    this.#connect();
  }

  /** Takes over a socket whose hello asked for this pack. */
  accept(socket: Socket, head: Buffer, receiver: string): void {
    const { infoHash, member, book, file, uplink, limits } = this.#parts;
    // Of two lanes from the same member the older is a dead one that was not noticed yet.
    for (const outlet of this.#outlets) if (outlet.receiver === receiver) outlet.close();
    const outlet = new Outlet({
      ...{ socket, head, receiver, infoHash, member, book, file, uplink, limits },
      gave: this.#gave,
      events: {
        onOpen: () => undefined,
        given: (piece) => (this.#promises[piece] ? 'promised' : this.#gave[piece] ? 'sent' : undefined),
        onPromise: (to, piece) => this.#onPromise(to, piece),
        onUnpromise: (piece, wasSent) => this.#onUnpromise(piece, wasSent),
        onDone: (to, piece) => this.#onDone(to, piece),
        onSent: (bytes) => {
          this.bytesSent += bytes;
        },
        onReadError: (error) => this.#parts.onFileError(error),
        onEnd: (ended) => this.#outlets.delete(ended),
      },
    });
    if (!socket.destroyed) this.#outlets.add(outlet);
  }

  /** Ends all lanes. Resolves when nothing of it touches the file any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#sources.clear();
    for (const intake of this.#intakes) intake.close('closed');
    for (const outlet of this.#outlets) outlet.close();
    await Promise.all(this.#checks);
  }

  #tick(): void {
    const now = monotonicMs();
    for (const intake of [...this.#intakes]) intake.tick(now);
    for (const outlet of [...this.#outlets]) outlet.tick(now);
    this.#connect();
    this.#fillAll();
    this.#parts.uplink.pump();
  }

  #connect(): void {
    const { book, mayConnect } = this.#parts;
    if (this.#isClosed || book.isComplete) return;
    const now = monotonicMs();
    for (const [address, source] of this.#sources) {
      if (source.intake || now < source.retryAt || now < source.stockUntil) continue;
      if (now < (this.#distrusted.get(address) ?? 0) || !mayConnect()) continue;
      const offers = this.#parts.offers();
      if (offers.length === 0) return;
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
    source.failures = 0;
    source.silentEnds = 0;
    for (const [piece, bit] of intake.sourceHas.entries()) this.#holders[piece]! += bit;
    this.#countNear();
    this.#fill(intake);
  }

  #onEnd(source: Source, intake: Intake, why: IntakeEnd): void {
    const { limits } = this.#parts;
    this.#intakes.delete(intake);
    if (intake.isOpen) for (const [piece, bit] of intake.sourceHas.entries()) this.#holders[piece]! -= bit;
    intake.asked.clear();
    this.#unclaim(intake);
    if (source.intake === intake) source.intake = undefined;
    if (this.#near.has(intake)) this.#countNear();
    const now = monotonicMs();
    source.failures += 1;
    source.retryAt = now + Math.min(maxPauseMs, firstPauseMs * 2 ** source.failures);
    // It was let go because nothing was wanted; should that change, it is called at once.
    if (why === 'closed' && this.#parts.book.isComplete) Object.assign(source, { failures: 0, retryAt: 0 });
    if (why === 'self') source.retryAt = Number.POSITIVE_INFINITY;
    if (why === 'silent') source.silentEnds += 1;
    if (why === 'unproven') this.#onUnproven(source, now);
    // Without a word: it may be one that takes calls in clear alone, when such are made at all.
    else if (!intake.isOpen && intake.isSealed && why !== 'full') source.offer += 1;
    // One that was killed while it took the call looks like a stock client, once.
    if (why === 'foreign' || why === 'otherVersion' || source.silentEnds >= 2) {
      source.stockUntil = now + limits.stockMs;
      this.#tellStockPeers();
    }
    this.#fillAll();
  }

  /** The other keys are tried at once, for the secret may just have changed; then it is left alone. */
  #onUnproven(source: Source, now: number): void {
    source.offer += 1;
    const isLast = source.offer % Math.max(1, this.#parts.offers().length) === 0;
    source.retryAt = isLast ? now + this.#parts.limits.unprovenMs : now;
    if (isLast) this.#parts.onUnproven(source.peer);
  }

  /** Which lanes lead to neighbours, and what those have. */
  #countNear(): void {
    this.#near.clear();
    this.#nearHolders.fill(0);
    for (const { isNear, intake } of this.#sources.values()) {
      if (!isNear || !intake?.isOpen) continue;
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
    const now = monotonicMs();
    this.#parts.onStockPeers(
      [...this.#sources.values()].filter(({ stockUntil }) => now < stockUntil).map(({ peer }) => peer),
    );
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
    const ahead = Math.max(2, Math.min(32, Math.ceil(aheadBytes / book.shape.pieceLength)));
    while (intake.asked.size < ahead) {
      // Asked again at the next tick.
      if (this.#parts.receiving.waitMs() > 0) return;
      const piece = this.#choose(intake);
      if (piece === undefined) return;
      this.#parts.receiving.take(pieceBytes(piece, book.shape));
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
      this.#checking.add(piece);
      const check = this.#check(intake, piece, bytes).finally(() => this.#checks.delete(check));
      this.#checks.add(check);
    } else {
      buffers.give(bytes);
    }
    this.#unclaim(intake);
    this.#fill(intake);
  }

  async #check(intake: Intake, piece: number, bytes: PieceBuffer): Promise<void> {
    const { book, file, checker, digests, buffers, onBadPeer, onFileError } = this.#parts;
    try {
      const position = piece * book.shape.pieceLength;
      const written = file.use((fd) =>
        checker.write(bytes, { fd, position, digest: digests[piece] ?? '' }, file.recordPlace(piece)),
      );
      const isRight = await this.#tally.watch(addressOf(intake.peer), bytes.length, written);
      this.#checking.delete(piece);
      if (isRight) {
        book.mark(piece);
      } else {
        if (!this.#claims.has(piece)) this.#open[piece] = 1;
        this.#distrusted.set(addressOf(intake.peer), monotonicMs() + this.#parts.limits.distrustMs);
        onBadPeer(intake.peer, piece);
        intake.close('defect');
        this.#fillAll();
      }
    } catch (thrown) {
      this.#checking.delete(piece);
      if (!this.#isClosed) onFileError(thrown as Error);
    } finally {
      buffers.give(bytes);
    }
  }

  /** A piece is here, whichever way it came. */
  #onMark(piece: number): void {
    this.#open[piece] = 0;
    for (const intake of this.#claims.get(piece) ?? []) intake.cancel(piece);
    this.#claims.delete(piece);
    for (const intake of this.#intakes) intake.tellHave(piece);
    for (const outlet of this.#outlets) outlet.tellHave(piece);
    // Whoever wants nothing is called by others, and calls nobody.
    if (this.#parts.book.isComplete) for (const intake of this.#intakes) intake.close('closed');
  }

  #onWant(pieces: readonly number[]): void {
    const { book } = this.#parts;
    for (const piece of pieces) if (!book.has[piece] && !this.#checking.has(piece)) this.#open[piece] = 1;
    this.#connect();
    this.#fillAll();
  }

  #onPromise(to: Outlet, piece: number): void {
    this.#promises[piece]! += 1;
    this.#tellOthers(to, { type: 'sent', piece, isDone: false });
  }

  #onDone(to: Outlet, piece: number): void {
    this.#gave[piece] = 1;
    this.#tellOthers(to, { type: 'sent', piece, isDone: true });
  }

  #onUnpromise(piece: number, wasSent: boolean): void {
    this.#promises[piece]! -= 1;
    if (wasSent || this.#promises[piece]) return;
    this.#tellOthers(undefined, this.#gave[piece] ? { type: 'sent', piece, isDone: true } : { type: 'back', piece });
  }

  #tellOthers(to: Outlet | undefined, frame: OutletNews): void {
    for (const outlet of this.#outlets) if (outlet !== to) outlet.tell(frame);
  }
}

const newSource = (peer: SwarmPeer): Source => ({
  ...{ peer, isNear: false, intake: undefined },
  ...{ failures: 0, retryAt: 0, silentEnds: 0, stockUntil: 0, offer: 0 },
});

export function addressOf({ host, port }: SwarmPeer): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
