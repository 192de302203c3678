import { describe, expect, it } from 'vitest';
import {
  describeSlow,
  describeSources,
  type FetchAccount,
  noBytes,
  type SlowReason,
  shareStep,
  shareSteps,
  slowReasons,
  whySlow,
} from './swarm-view.ts';

const well: FetchAccount = {
  ...{ sources: noBytes, lanes: 8, useful: 6, asked: 4, wrongPieces: 0, diskShare: 0.2, stillMs: 0 },
};
const usual = 1_000_000;

describe('why a machine is slow', () => {
  const cases: [SlowReason, number, Partial<FetchAccount> | null, number | undefined][] = [
    ['ON_ITS_WAY', 900_000, {}, usual],
    ['ON_ITS_WAY', 10, {}, undefined],
    ['HASH_FAILURES', 900_000, { wrongPieces: 3 }, usual],
    ['ON_ITS_WAY', 900_000, { wrongPieces: 1 }, usual],
    ['HASH_FAILURES', 0, { wrongPieces: 9, lanes: 0, useful: 0, stillMs: 60_000 }, usual],
    ['NO_PEER', 0, { lanes: 0, useful: 0, asked: 0, stillMs: 500 }, usual],
    ['NO_PEER', 5_000, { lanes: 0, useful: 0, asked: 0, stillMs: 4_000 }, usual],
    ['NOBODY_HAS_IT', 0, { useful: 0, asked: 0, stillMs: 4_000 }, usual],
    ['SLOW_DISK', 100_000, { diskShare: 0.97 }, usual],
    ['SLOW_DISK', 0, { diskShare: 1, stillMs: 9_000 }, undefined],
    ['ON_ITS_WAY', 900_000, { diskShare: 0.97 }, usual],
    ['WAITING_TURN', 100_000, { asked: 0 }, usual],
    ['WAITING_TURN', 100_000, { stillMs: 3_000 }, usual],
    ['SLOW_UPLINK', 100_000, { lanes: 1, useful: 1 }, usual],
    ['SLOW_UPLINK', 100_000, { useful: 1 }, usual],
    ['SLOW_LINK', 100_000, {}, usual],
    ['NOT_TOLD', 100_000, null, usual],
  ];
  it.each(cases)('%s: %d bytes a second, %j, usual %s', (reason, bytesPerSecond, account, usualRate) => {
    expect(whySlow({ bytesPerSecond, account: account && { ...well, ...account } }, usualRate)).toBe(reason);
  });

  it('has words for each reason, all different', () => {
    const words = slowReasons.map((reason) => describeSlow(reason, well));
    expect(new Set(words).size).toBe(slowReasons.length);
  });
});

it('counts in tenths, and only who has everything as complete', () => {
  expect([0, 1, 9, 10, 55, 99, 100].map((done) => shareStep(done, 100))).toEqual([0, 0, 0, 1, 5, 9, shareSteps - 1]);
  expect(shareStep(0, 0)).toBe(shareSteps - 1);
});

it('names sources by how much came from them', () => {
  expect(describeSources({ ...noBytes, hub: 1024, peers: 2048 })).toBe(
    '2.0 KiB from other machines, 1.0 KiB from the hub in the swarm',
  );
  expect(describeSources(noBytes)).toBe('');
});
