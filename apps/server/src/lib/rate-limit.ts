import type { Clock } from '@starling/shared/clock.ts';

export interface RateLimitOptions {
  /** How many may come at once. */
  burst: number;
  /** How many a second after that, on the long run. */
  perSecond: number;
  clock: Clock;
  /** How many keys are remembered; the one that was seen longest ago is forgotten. */
  mostKeys?: number;
}

/** A bucket of tokens a key: each call takes one, and they come back with time. In the memory of this process alone. */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** 0 when the call may go on; otherwise how long to wait, in milliseconds. */
  take(key: string): number {
    const { perSecond, burst, clock, mostKeys = 10_000 } = this.#options;
    const now = clock.now();
    const tokens = this.#tokens(key, now);
    this.#buckets.delete(key);
    if (this.#buckets.size >= mostKeys) this.#buckets.delete(this.#buckets.keys().next().value as string);
    const left = tokens >= 1 ? tokens - 1 : tokens;
    this.#buckets.set(key, { tokens: Math.min(left, burst), at: now });
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / perSecond) * 1_000);
  }

  /** As `take`, without taking. */
  waitFor(key: string): number {
    const tokens = this.#tokens(key, this.#options.clock.now());
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / this.#options.perSecond) * 1_000);
  }

  #tokens(key: string, now: number): number {
    const { perSecond, burst } = this.#options;
    const bucket = this.#buckets.get(key);
    if (!bucket) return burst;
    return Math.min(burst, bucket.tokens + ((now - bucket.at) / 1_000) * perSecond);
  }
}
