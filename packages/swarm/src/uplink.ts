import type { LaneLimits } from './lane-limits.ts';
import { monotonicMs } from './monotonic.ts';
import type { RateLine } from './token-bucket.ts';
import { TurnInLine } from './turn-in-line.ts';
import { whoseTurn } from './turns.ts';

/** Somebody who waits to be sent a piece. */
export interface Waiting {
  /** Has nothing yet and was sent nothing by this process: one place is kept for such. */
  readonly isNewcomer: boolean;
  /** Asked for at least one piece that this member has given to nobody. */
  readonly wantsUngiven: boolean;
  /**
   * Sends one piece; never rejects. Resolves when the system has taken its bytes, to whether another one waits. Until
   * the receiver has said that it has it, it is under way (`begin`).
   */
  sendOne(): Promise<boolean>;
}

/** A piece on its way; `end` when it has arrived, or is not going to. */
export interface UnderWay {
  readonly startedAt: number;
  /** `hasArrived` is false when it was given up. */
  end(hasArrived: boolean): void;
}

interface Flight extends UnderWay {
  who: Waiting;
  bytes: number;
}

const keptAtMostBytes = 16 * 1024 * 1024;
/** No piece has arrived yet, so how long one takes is not known. */
const unknownSlowMs = 5_000;
const slowness = 4;

/**
 * Shares what a process may send at once over all who wait for pieces, of whatever pack: one piece each, in turns (`turns.ts`). Few
 * pieces at a time, so that each is soon whole and can be passed on.
 *
 * What the system has taken is not yet sent: its buffers swallow seconds of a slow link, and what waits in them is
 * chosen too early and comes too late. So what counts is what receivers have not yet confirmed. As long as pieces arrive
 * quickly more of them may be under way; when they take long, fewer, but never fewer than a few. Who is slow to take one
 * is not counted and gets nothing more until it has it, so it holds up nobody.
 */
export class Uplink {
  readonly #limits: LaneLimits;
  /** What may be sent, whoever waits; nothing limits it without. */
  readonly #sending: TurnInLine;
  /** In the order in which they were last served, and since when each waits. */
  readonly #waiting = new Map<Waiting, number>();
  /** Those whose bytes the system is taking. */
  readonly #writing = new Set<Waiting>();
  readonly #flights = new Set<Flight>();
  #windowBytes = 0;
  #chunks: Buffer[] = [];
  /** How long pieces took of late, from their turn to the word that they arrived. */
  #typicalMs: number | undefined;

  constructor(limits: LaneLimits, sending?: RateLine) {
    this.#limits = limits;
    this.#sending = new TurnInLine(sending, () => this.pump());
  }

  /** What takes longer than this to arrive is slow. */
  get slowAfterMs(): number {
    if (this.#typicalMs === undefined) return Math.max(unknownSlowMs, this.#limits.slowAfterMs);
    return Math.max(this.#limits.slowAfterMs, slowness * this.#typicalMs);
  }

  /** Memory for bytes on their way from the file to a socket, used again and again: give it back. */
  takeChunk(): Buffer {
    return this.#chunks.pop() ?? Buffer.allocUnsafeSlow(this.#limits.chunkBytes);
  }

  giveChunk(chunk: Buffer): void {
    if ((this.#chunks.length + 1) * chunk.length <= keptAtMostBytes) this.#chunks.push(chunk);
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#chunks = [];
    this.#sending.leave();
  }

  /** To be called when there is something to send; again and again is harmless. */
  request(who: Waiting): void {
    if (this.#writing.has(who)) return;
    this.#wait(who);
    this.pump();
  }

  forget(who: Waiting): void {
    this.#waiting.delete(who);
  }

  /** A piece of `bytes` is being sent to `who`. */
  begin(who: Waiting, bytes: number): UnderWay {
    const flight: Flight = {
      who,
      bytes,
      startedAt: monotonicMs(),
      end: (hasArrived) => {
        if (!this.#flights.delete(flight)) return;
        if (hasArrived) this.#learn(flight);
        this.pump();
      },
    };
    this.#flights.add(flight);
    this.#sending.take(bytes);
    return flight;
  }

  /** Begins what there is room for; to be called now and then too, for those that have become slow meanwhile. */
  pump(): void {
    while (!this.#sending.isWaiting) {
      const next = this.#next();
      if (!next || !this.#sending.mayPass()) return;
      this.#waiting.delete(next);
      this.#writing.add(next);
      void next.sendOne().then((isMore) => {
        this.#writing.delete(next);
        if (isMore) this.#wait(next);
        this.pump();
      });
    }
  }

  #wait(who: Waiting): void {
    if (!this.#waiting.has(who)) this.#waiting.set(who, monotonicMs());
  }

  #next(): Waiting | undefined {
    if (this.#waiting.size === 0 || this.#flights.size >= this.#limits.maxSending) return undefined;
    const since = monotonicMs() - this.slowAfterMs;
    let [counted, countedBytes] = [0, 0];
    const slow = new Set<Waiting>();
    for (const { who, bytes, startedAt } of this.#flights) {
      if (startedAt < since) {
        slow.add(who);
      } else {
        counted += 1;
        countedBytes += bytes;
      }
    }
    const isFull = counted >= this.#limits.sendingAtOnce && countedBytes >= this.#windowBytes;
    if (!isFull) return this.#first((who) => !slow.has(who));
    // A few more for those who have nothing yet.
    const newcomers = [...this.#flights].filter(({ who, startedAt }) => who.isNewcomer && startedAt >= since).length;
    if (newcomers >= this.#limits.newcomersAtOnce) return undefined;
    return this.#first((who) => who.isNewcomer && !slow.has(who));
  }

  #first(isMeant: (who: Waiting) => boolean): Waiting | undefined {
    const turnOf = (who: Waiting) => ({ wantsUngiven: who.wantsUngiven, since: this.#waiting.get(who) ?? 0 });
    const meant = [...this.#waiting.keys()].filter(isMeant);
    return whoseTurn(meant, turnOf, monotonicMs(), this.#limits.turnPatienceMs);
  }

  #learn({ startedAt, bytes }: Flight): void {
    const { quickMs, windowBytes } = this.#limits;
    const took = monotonicMs() - startedAt;
    // One slow member says little of the others.
    const isSlow = took > this.slowAfterMs;
    const known = this.#typicalMs ?? Math.min(took, unknownSlowMs / slowness);
    this.#typicalMs = 0.9 * known + 0.1 * Math.min(took, 2 * known);
    if (isSlow) return;
    if (took <= quickMs) this.#windowBytes = Math.min(windowBytes, this.#windowBytes + bytes);
    else if (took > 2 * quickMs) this.#windowBytes *= 0.8;
  }
}
