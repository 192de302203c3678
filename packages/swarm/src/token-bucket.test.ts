import { array, assert, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

const steps = array(tuple(integer({ min: 0, max: 3_000 }), integer({ min: 1, max: 500_000 })), { maxLength: 60 });

describe('a bucket', () => {
  it('lets no more pass over any time than its rate, a second of it, and one piece', () => {
    assert(
      property(integer({ min: 1_000, max: 1_000_000 }), steps, (rate, wishes) => {
        let now = 0;
        const bucket = new TokenBucket(
          () => rate,
          () => now,
        );
        const passed: { at: number; bytes: number }[] = [];
        for (const [pauseMs, bytes] of wishes) {
          now += pauseMs;
          if (bucket.waitMs() > 0) continue;
          bucket.take(bytes);
          passed.push({ at: now, bytes });
        }
        for (const [from, { at }] of passed.entries()) {
          let sum = 0;
          for (const later of passed.slice(from)) {
            const allowed = (rate * (later.at - at + 1_000)) / 1_000;
            // Before the last piece nothing was owed.
            expect(sum).toBeLessThanOrEqual(allowed + 1e-6);
            sum += later.bytes;
          }
        }
      }),
    );
  });

  it('is open again after the time that it says, and not long before', () => {
    assert(
      property(integer({ min: 1, max: 1_000_000 }), integer({ min: 1, max: 10_000_000 }), (rate, bytes) => {
        let now = 0;
        const bucket = new TokenBucket(
          () => rate,
          () => now,
        );
        bucket.take(bytes);
        const wait = bucket.waitMs();
        now += Math.max(0, wait - 2);
        if (wait > 2) expect(bucket.waitMs()).toBeGreaterThan(0);
        now += 3;
        expect(bucket.waitMs()).toBe(0);
      }),
    );
  });

  it('follows a rate that changes, and holds nothing up without one', () => {
    let [now, rate] = [0, 1_000 as number | undefined];
    const bucket = new TokenBucket(
      () => rate,
      () => now,
    );
    bucket.take(10_000);
    expect(bucket.waitMs()).toBe(10_000);
    now += 5_000;
    rate = 5_000;
    expect(bucket.waitMs()).toBe(0);
    bucket.take(1_000_000);
    rate = undefined;
    expect(bucket.waitMs()).toBe(0);
  });
});
