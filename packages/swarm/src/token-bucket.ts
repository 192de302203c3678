import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { monotonicMs } from './monotonic.ts';

/** At most what may be sent at once after a pause: what passes in this time. */
const burstMs = 1_000;
/** Who waits looks at least so often, as the rate may have changed. */
const lookAgainMs = 250;

/** One kind of traffic among those that share a bucket. */
export interface RateLine {
  /** Whether there is a limit now. */
  isLimited(): boolean;
  /** Whether something may pass now: nothing is owed, and nobody waits. */
  isOpen(): boolean;
  /** So many bytes pass. */
  take(bytes: number): void;
  /** Bytes that were taken and did not pass after all. */
  giveBack(bytes: number): void;
  /** Calls `onTurn` once, later, when something may pass. What it returns leaves the line; afterwards that does nothing. */
  wait(onTurn: () => void): () => void;
  /** Takes so many bytes when they may pass. Resolves to false, with nothing taken, when `signal` is aborted before. */
  pass(bytes: number, signal: AbortSignal): Promise<boolean>;
}

/**
 * Keeps what passes to a rate that may change with time. Whole pieces pass: one may begin whenever nothing is owed, however
 * large it is, and what it takes beyond what was saved is owed until the time for it has gone by. So over any time t no
 * more passes than `rate x (t + burst)` and one piece.
 *
 * Different kinds of traffic share a rate, each by a line of its own (`line`): the lines are served in turns, and in each
 * who waits longest, so that none of them is kept out by the others.
 */
export class TokenBucket {
  readonly #rate: () => number | undefined;
  readonly #clock: Clock;
  #saved = 0;
  #at: number;
  /** The lines in which somebody waits; the first is served next. */
  readonly #lines: Set<() => void>[] = [];
  #pacing: AbortController | undefined;

  /** `rate` in bytes a second, undefined without a limit; `clock` should be one that nobody sets. */
  constructor(rate: () => number | undefined, clock: Clock = { now: monotonicMs, sleep: systemClock.sleep }) {
    this.#rate = rate;
    this.#clock = clock;
    this.#at = clock.now();
  }

  /** Milliseconds until nothing is owed; 0 when nothing is. */
  waitMs(): number {
    const rate = this.#refill();
    return rate === undefined || this.#saved >= 0 ? 0 : Math.ceil((-this.#saved / rate) * 1_000);
  }

  /** So many bytes pass. */
  take(bytes: number): void {
    if (this.#refill() !== undefined) this.#saved -= bytes;
  }

  line(): RateLine {
    const waiting = new Set<() => void>();
    const isLimited = () => this.#rate() !== undefined;
    const isOpen = () => !isLimited() || (this.#lines.length === 0 && this.waitMs() === 0);
    const take = (bytes: number) => this.take(bytes);
    const wait = (onTurn: () => void) => this.#wait(waiting, onTurn);
    const pass = (bytes: number, signal: AbortSignal) =>
      new Promise<boolean>((resolve) => {
        let leave: (() => void) | undefined;
        const giveUp = () => settle(false);
        const settle = (mayPass: boolean) => {
          signal.removeEventListener('abort', giveUp);
          if (mayPass) take(bytes);
          else leave?.();
          resolve(mayPass);
        };
        if (signal.aborted || isOpen()) return settle(!signal.aborted);
        leave = wait(() => settle(true));
        signal.addEventListener('abort', giveUp);
      });
    return { isLimited, isOpen, take, giveBack: (bytes) => take(-bytes), wait, pass };
  }

  #wait(line: Set<() => void>, onTurn: () => void): () => void {
    const turn = () => onTurn();
    line.add(turn);
    if (!this.#lines.includes(line)) this.#lines.push(line);
    if (!this.#pacing) void this.#pace();
    return () => {
      if (!line.delete(turn) || line.size > 0) return;
      this.#lines.splice(this.#lines.indexOf(line), 1);
      if (this.#lines.length > 0) return;
      this.#pacing?.abort();
      this.#pacing = undefined;
    };
  }

  async #pace(): Promise<void> {
    const pacing = new AbortController();
    this.#pacing = pacing;
    // Never within the call of who begins to wait.
    await Promise.resolve();
    while (!pacing.signal.aborted && this.#lines.length > 0) {
      const waitMs = this.waitMs();
      if (waitMs > 0) await this.#clock.sleep(Math.min(waitMs, lookAgainMs), pacing.signal);
      else this.#serve();
    }
    if (this.#pacing === pacing) this.#pacing = undefined;
  }

  #serve(): void {
    const line = this.#lines.shift();
    const [turn] = line ?? [];
    if (!line || !turn) return;
    line.delete(turn);
    if (line.size > 0) this.#lines.push(line);
    turn();
  }

  #refill(): number | undefined {
    const rate = this.#rate();
    const now = this.#clock.now();
    const elapsedMs = Math.max(0, now - this.#at);
    this.#at = now;
    if (rate === undefined) this.#saved = 0;
    else this.#saved = Math.min((rate * burstMs) / 1_000, this.#saved + (rate * elapsedMs) / 1_000);
    return rate;
  }
}
