import { planRollout, rolloutSettings, type WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import { describe, expect, it } from 'vitest';
import type { RolloutCounts } from './decide.ts';
import { type AnalysisVerdict, nextStep, type WaveState } from './next-step.ts';

const minute = 60_000;
const nowMs = 1_000 * minute;
const threeWaves: WrittenRolloutSettings = { waves: [{ fraction: 0.1, bakeTime: '5m' }, { fraction: 0.5 }] };
const plan = (more: WrittenRolloutSettings = {}) =>
  planRollout([rolloutSettings.parse({ ...threeWaves, ...more })], []);

interface Given extends Partial<WaveState> {
  counts?: Partial<RolloutCounts>;
  quietForMs?: number;
  settings?: WrittenRolloutSettings;
  analysis?: AnalysisVerdict;
}
function step({ counts = {}, quietForMs = 0, settings = {}, analysis, ...state }: Given) {
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
      checksBeganAtMs: null,
      ...state,
    },
    {
      counts: { done: 0, inProgress: 0, failed: 0, offline: 0, waiting: 0, ...counts },
      nowMs,
      watchedSinceMs: nowMs - quietForMs,
      lastProgressAtMs: nowMs - quietForMs,
      commonReason: 'GET / answered 500',
    },
    { state: 'none', detail: '' },
    analysis,
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

describe('what is checked', () => {
  const checked = (...when: ('before' | 'bake')[]) => ({
    settings: { analysis: [{ name: 'errors', command: 'true', when }] },
  });
  const says = (state: AnalysisVerdict['state']) => ({ analysis: { state, detail: 'the check "errors" said so' } });
  const began = { checksBeganAtMs: nowMs - minute };
  const bakes = { bakeBeganAtMs: nowMs - 9 * minute };
  it.each([
    ['comes before the first wave', { wave: 0, ...checked('before') }, { step: 'check' }],
    ['is waited for', { wave: 0, ...checked('before'), ...began, ...says('running') }, { step: 'hold' }],
    [
      'lets the wave begin',
      { wave: 0, ...checked('before'), ...began, ...says('SUCCESSFUL') },
      { step: 'advance', to: 1 },
    ],
    [
      'keeps it from beginning',
      { wave: 0, ...checked('before'), ...began, ...says('FAILED') },
      { step: 'end', status: 'FAILED', outcome: 'before wave 1 of 3: the check "errors" said so' },
    ],
    [
      'a person need not wait for it',
      { wave: 0, promotedTo: 1, ...checked('before'), ...began, ...says('running') },
      { step: 'advance', to: 1 },
    ],
    ['comes after a wave has baked', { counts: confirmed, ...bakes, ...checked('before') }, { step: 'check' }],
    [
      'does not hide machines that fail meanwhile',
      { counts: mixed, ...bakes, ...began, ...checked('before'), ...says('running') },
      { step: 'end', status: 'FAILED' },
    ],
    ['makes a wave bake that would not', { wave: 2, counts: confirmed, ...checked('bake') }, { step: 'bake' }],
    [
      'may last longer than the bake',
      { counts: confirmed, ...bakes, ...checked('bake'), ...says('running') },
      { step: 'hold' },
    ],
    [
      'need not',
      { counts: confirmed, ...checked('bake'), ...says('SUCCESSFUL'), bakeBeganAtMs: nowMs - minute },
      { step: 'hold' },
    ],
    [
      'goes on when both are over',
      { counts: confirmed, ...bakes, ...checked('bake'), ...says('SUCCESSFUL') },
      { step: 'advance', to: 2 },
    ],
    [
      'ends it in the middle of a bake',
      { counts: confirmed, bakeBeganAtMs: nowMs - minute, ...checked('bake'), ...says('FAILED') },
      { step: 'end', status: 'FAILED', outcome: 'wave 1 of 3: the check "errors" said so' },
    ],
    [
      'halts where a person decides',
      { counts: confirmed, ...bakes, ...says('FAILED'), settings: { ...checked('bake').settings, autoRevert: false } },
      { step: 'halt' },
    ],
    [
      'that cannot tell is for a person',
      { counts: confirmed, ...bakes, ...checked('bake'), ...says('INCONCLUSIVE') },
      { step: 'halt' },
    ],
    [
      'that cannot be made is too',
      { counts: confirmed, ...bakes, ...checked('bake'), ...says('ERROR') },
      { step: 'halt' },
    ],
    [
      'of the last wave is waited for',
      { wave: 3, counts: confirmed, ...bakes, ...checked('bake'), ...says('running') },
      { step: 'hold' },
    ],
    [
      'of the last wave lets it succeed',
      { wave: 3, counts: confirmed, ...bakes, ...checked('bake'), ...says('SUCCESSFUL') },
      { step: 'end', status: 'SUCCEEDED' },
    ],
    [
      'that takes long is no stall',
      { counts: confirmed, ...began, ...bakes, quietForMs: 60 * minute, ...checked('before'), ...says('running') },
      { step: 'hold' },
    ],
  ] as [string, Given, object][])('%s', (_, given, expected) => {
    expect(step(given)).toMatchObject(expected);
  });
});
