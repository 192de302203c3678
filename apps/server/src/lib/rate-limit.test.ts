import { TestClock } from '@starling/shared/clock.ts';
import { describe, expect, it } from 'vitest';
import { RateLimit } from './rate-limit.ts';

describe('a rate limit', () => {
  it('lets a burst through, then as many as come back with time', async () => {
    const clock = new TestClock();
    const limit = new RateLimit({ burst: 3, perSecond: 0.5, clock });
    expect([limit.take('a'), limit.take('a'), limit.take('a')]).toEqual([0, 0, 0]);
    expect(limit.take('a')).toBe(2_000);
    expect(limit.take('b'), 'each key has its own').toBe(0);
    await clock.advance(2_000);
    expect([limit.take('a'), limit.take('a')]).toEqual([0, 2_000]);
    await clock.advance(3_600_000);
    expect([1, 2, 3, 4].map(() => limit.take('a'))).toEqual([0, 0, 0, 2_000]);
  });

  it('remembers a bounded number of keys', () => {
    const limit = new RateLimit({ burst: 1, perSecond: 1, clock: new TestClock(), mostKeys: 2 });
    for (const key of ['a', 'b', 'c']) expect(limit.take(key)).toBe(0);
    expect(limit.waitFor('c')).toBe(1_000);
    expect(limit.waitFor('a'), 'forgotten, so it begins anew').toBe(0);
  });
});
