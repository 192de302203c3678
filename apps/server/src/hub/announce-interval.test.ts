import { assert, nat, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { announceEveryMs } from './announce-interval.ts';

describe('how often members announce', () => {
  it.each([
    [1, 1, 2_000],
    [4_000, 4_000, 2_000],
    [4_001, 1, 4_000],
    [100_000, 1, 8_000],
    [2, 0, 64_000],
    [100_000, 0, 64_000],
  ])('%i members of whom %i fetch: every %i ms', (members, fetching, every) =>
    expect(announceEveryMs(members, fetching)).toBe(every),
  );

  it('is no more often in a larger swarm, nor in one that is quiet', () => {
    assert(
      property(nat(200_000), nat(200_000), nat(200_000), (a, b, fetching) => {
        const [small, large] = a < b ? [a, b] : [b, a];
        expect(announceEveryMs(small, fetching)).toBeLessThanOrEqual(announceEveryMs(large, fetching));
        expect(announceEveryMs(a, fetching)).toBeLessThanOrEqual(announceEveryMs(a, 0));
      }),
    );
  });
});
