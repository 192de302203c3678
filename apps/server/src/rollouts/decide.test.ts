import { describe, expect, it } from 'vitest';
import { decide, defaultPolicy, type RolloutCounts } from './decide.ts';

const startedAt = 1_000_000;
function at(
  minutes: number,
  counts: Partial<RolloutCounts>,
  more: { lastProgressAtMs?: number; commonReason?: string } = {},
) {
  return decide(defaultPolicy, {
    counts: { done: 0, inProgress: 0, failed: 0, offline: 0, waiting: 0, ...counts },
    nowMs: startedAt + minutes * 60_000,
    watchedSinceMs: startedAt,
    lastProgressAtMs: startedAt,
    commonReason: '',
    ...more,
  });
}

describe('a deployment', () => {
  it.each([
    ['all confirmed', 1, { done: 12 }, 'SUCCEEDED', '12 machines run it'],
    ['one machine only', 1, { done: 1 }, 'SUCCEEDED', '1 machine runs it'],
    [
      'failures within the threshold',
      1,
      { done: 98, failed: 2 },
      'SUCCEEDED',
      '98 machines run it; 2 failed, within the threshold',
    ],
    [
      'offline machines are counted apart',
      1,
      { done: 10, offline: 2 },
      'SUCCEEDED',
      '10 machines run it; 2 offline, which catch up when they are back',
    ],
    [
      'machines that wait for their window are counted apart, and not waited for',
      0.25,
      { done: 10, waiting: 2 },
      'SUCCEEDED',
      '10 machines run it; 2 wait for their maintenance window',
    ],
    ['all failed', 1, { failed: 12 }, 'FAILED', '12 of 12 machines that answered failed'],
    [
      'over the share once enough answered',
      1,
      { done: 18, failed: 2, inProgress: 80 },
      'FAILED',
      '2 of 20 machines that answered failed',
    ],
    [
      'over the cap, whatever the share',
      1,
      { done: 99_000, failed: 51, inProgress: 949 },
      'FAILED',
      '51 machines failed, over the limit of 50',
    ],
    [
      'nothing changes',
      10,
      { done: 5, inProgress: 7 },
      'FAILED',
      'stalled: nothing changed for 10 m, with 5 done, 7 under way, 0 failed and 0 offline',
    ],
    [
      'nothing changes, whoever waits for a window besides',
      10,
      { inProgress: 7, waiting: 2 },
      'FAILED',
      'stalled: nothing changed for 10 m, with 0 done, 7 under way, 0 failed and 0 offline',
    ],
    [
      'nobody answers',
      10,
      { offline: 12 },
      'FAILED',
      'stalled: nothing changed for 10 m, with 0 done, 0 under way, 0 failed and 12 offline',
    ],
  ] as const)('ends when %s', (_, minutes, counts, status, outcome) => {
    expect(at(minutes, counts)).toEqual({ end: true, status, outcome });
  });

  it.each([
    ['some are still under way', 1, { done: 11, inProgress: 1 }],
    ['too few have answered to judge by share', 1, { done: 5, failed: 1, inProgress: 94 }],
    ['absent machines may still come, in the first half minute', 0.25, { done: 10, offline: 2 }],
    ['no machine is there yet', 5, {}],
    ['no machine is online yet', 5, { offline: 12 }],
    ['all that could go over wait for their window, for hours', 600, { waiting: 2, offline: 3 }],
  ] as const)('goes on while %s', (_, minutes, counts) => {
    expect(at(minutes, counts)).toEqual({ end: false });
  });

  it('says why most machines failed', () => {
    expect(at(1, { failed: 12 }, { commonReason: 'GET /healthz answered 500' })).toMatchObject({
      outcome: '12 of 12 machines that answered failed: GET /healthz answered 500',
    });
  });
});
