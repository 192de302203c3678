import { planRollout, rolloutSettings, type WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import { describe, expect, it } from 'vitest';
import type { RolloutCounts } from './decide.ts';
import { nextStep, type WaveState } from './next-step.ts';

const minute = 60_000;
const nowMs = 1_000 * minute;
const threeWaves: WrittenRolloutSettings = { waves: [{ fraction: 0.1, bakeTime: '5m' }, { fraction: 0.5 }] };
const plan = (more: WrittenRolloutSettings = {}) =>
  planRollout([rolloutSettings.parse({ ...threeWaves, ...more })], []);

interface Given extends Partial<WaveState> {
  counts?: Partial<RolloutCounts>;
  quietForMs?: number;
  settings?: WrittenRolloutSettings;
}
function step({ counts = {}, quietForMs = 0, settings = {}, ...state }: Given) {
  return nextStep(
    plan(settings),
    0,
    {
      kind: 'DEPLOY',
      wave: 1,
      heldBecause: null,
      promotedTo: 0,
      toleratedFailures: 0,
      bakeBeganAtMs: null,
      ...state,
    },
    {
      counts: { done: 0, inProgress: 0, failed: 0, offline: 0, ...counts },
      nowMs,
      watchedSinceMs: nowMs - quietForMs,
      lastProgressAtMs: nowMs - quietForMs,
      commonReason: 'GET / answered 500',
    },
    { state: 'none', detail: '' },
  );
}
const confirmed = { done: 4 };
const mixed = { done: 3, failed: 1 };
const baked = { bakeBeganAtMs: nowMs - 5 * minute };

describe('the next step', () => {
  it.each([
    ['begins with the first wave', { wave: 0 }, { step: 'advance', to: 1 }],
    ['waits for the machines of the wave', { counts: { done: 3, inProgress: 1 } }, { step: 'hold' }],
    ['lets a confirmed wave bake', { counts: confirmed }, { step: 'bake' }],
    ['waits while it bakes', { counts: confirmed, bakeBeganAtMs: nowMs - 4 * minute }, { step: 'hold' }],
    ['goes on once it has baked', { counts: confirmed, ...baked }, { step: 'advance', to: 2 }],
    ['goes on at once where nothing bakes', { wave: 2, counts: confirmed }, { step: 'advance', to: 3 }],
    ['succeeds after the last wave', { wave: 3, counts: confirmed }, { step: 'end', status: 'SUCCEEDED' }],
    ['goes back when a wave fails', { counts: mixed }, { step: 'end', status: 'FAILED' }],
    ['goes back when it fails while it bakes', { counts: mixed, ...baked }, { step: 'end', status: 'FAILED' }],
    [
      'halts instead where a person decides',
      { counts: mixed, settings: { autoRevert: false } },
      { step: 'halt', why: 'wave 1 of 3: 1 of 4 machines that answered failed: GET / answered 500' },
    ],
    ['a rollback never halts', { kind: 'ROLLBACK', counts: mixed, settings: { autoRevert: false } }, { step: 'end' }],
    ['goes back on a stall', { counts: { inProgress: 4 }, quietForMs: 10 * minute }, { step: 'end', status: 'FAILED' }],
    [
      'stands still while it is held, whatever happens',
      { heldBecause: 'paused by ada', counts: { failed: 4 }, quietForMs: 99 * minute, promotedTo: 2 },
      { step: 'hold' },
    ],
    [
      'a long bake is no stall',
      { counts: confirmed, quietForMs: 30 * minute, bakeBeganAtMs: nowMs - minute },
      { step: 'hold' },
    ],
    [
      'one that never ends is',
      { counts: { done: 3, inProgress: 1 }, quietForMs: 30 * minute, bakeBeganAtMs: nowMs - 15 * minute },
      { step: 'end', status: 'FAILED' },
    ],
    ['a person need not wait for a wave', { promotedTo: 2, counts: { inProgress: 4 } }, { step: 'advance', to: 2 }],
    ['but promotes no failure', { promotedTo: 2, counts: mixed }, { step: 'end', status: 'FAILED' }],
    ['an earlier promotion is over', { wave: 2, promotedTo: 2, counts: { inProgress: 1 } }, { step: 'hold' }],
    [
      'goes on with the failures that were accepted',
      { wave: 2, toleratedFailures: 1, counts: mixed },
      { step: 'advance', to: 3 },
    ],
    [
      'and halts by one more',
      { wave: 2, toleratedFailures: 1, counts: { done: 3, failed: 2 } },
      { step: 'end', status: 'FAILED' },
    ],
    [
      'also when nobody else is in the wave',
      { wave: 2, toleratedFailures: 2, counts: { failed: 2 } },
      { step: 'advance', to: 3 },
    ],
    [
      'but has not succeeded when no machine runs it',
      { wave: 3, toleratedFailures: 2, counts: { failed: 2 } },
      { step: 'hold' },
    ],
    [
      'and says in the end what was accepted',
      { wave: 3, toleratedFailures: 1, counts: { done: 3, failed: 1 } },
      { step: 'end', status: 'SUCCEEDED', outcome: '3 machines run it; 1 failed, which was accepted' },
    ],
    ['passes over a wave of no machine', { wave: 2 }, { step: 'advance', to: 3 }],
    ['but for labels that no machine has', { settings: { waves: [{ labels: { a: 'b' } }] } }, { step: 'hold' }],
    ['never passes a canary that is offline', { wave: 2, counts: { offline: 2 } }, { step: 'hold' }],
  ] as [string, Given, object][])('%s', (_, given, expected) => {
    expect(step(given)).toMatchObject(expected);
  });
});
