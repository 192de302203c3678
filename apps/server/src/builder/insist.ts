import type { Clock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';

/** Waits for a promise for `timeoutMs` at most, and throws TIMEOUT then; what it stands for may still happen. */
export async function within<T>(clock: Clock, timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = clock.sleep(timeoutMs, over.signal).then(() => {
    if (!over.signal.aborted) throw new StarlingError('TIMEOUT', `${what} gave no answer for ${timeoutMs} ms`);
    return promise;
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
    late.catch(() => {});
  }
}

export interface InsistOptions {
  clock: Clock;
  /** What is called, for messages. */
  what: string;
  /** How often it is tried, with pauses that grow from 100 ms to 10 s; 8 times take about half a minute. */
  tries: number;
  signal?: AbortSignal;
}

const callTimeoutMs = 30_000;

/** Repeats a call to the queue until it succeeds. Only for what is harmless to do twice. Throws what it threw last. */
export async function insist<T>(options: InsistOptions, call: () => Promise<T>): Promise<T> {
  const { clock, what, tries, signal } = options;
  for (let tried = 1; ; tried += 1) {
    signal?.throwIfAborted();
    try {
      return await within(clock, callTimeoutMs, what, call());
    } catch (thrown) {
      if (tried >= tries) throw thrown;
      await clock.sleep(Math.min(10_000, 100 * 2 ** tried), signal);
    }
  }
}
