import { monotonicMs } from './monotonic.ts';

/** At most what may be sent at once after a pause: what passes in this time. */
const burstMs = 1_000;

/**
 * Keeps what passes to a rate that may change with time. Whole pieces pass: one may begin whenever nothing is owed, however
 * large it is, and what it takes beyond what was saved is owed until the time for it has gone by. So over any time t no
 * more passes than `rate x (t + burst)` and one piece.
 */
export class TokenBucket {
  readonly #rate: () => number | undefined;
  readonly #now: () => number;
  #saved = 0;
  #at: number;

  /** `rate` in bytes a second, undefined without a limit; `now` in milliseconds that only ever grow. */
  constructor(rate: () => number | undefined, now: () => number = monotonicMs) {
    this.#rate = rate;
    this.#now = now;
    this.#at = now();
  }

  /** Milliseconds until something may pass; 0 when it may now. */
  waitMs(): number {
    const rate = this.#refill();
    return rate === undefined || this.#saved >= 0 ? 0 : Math.ceil((-this.#saved / rate) * 1_000);
  }

  /** So many bytes pass. */
  take(bytes: number): void {
    if (this.#refill() !== undefined) this.#saved -= bytes;
  }

  #refill(): number | undefined {
    const rate = this.#rate();
    const now = this.#now();
    const elapsedMs = now - this.#at;
    this.#at = now;
    if (rate === undefined) this.#saved = 0;
    else this.#saved = Math.min((rate * burstMs) / 1_000, this.#saved + (rate * elapsedMs) / 1_000);
    return rate;
  }
}
