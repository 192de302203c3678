import { planRollout } from '@starling/shared/rollout-plan.ts';
import type { DeploymentKind } from '@starling/shared/words.ts';
import { describe, expect, it } from 'vitest';
import type { RolloutCounts } from './decide.ts';
import type { AfterTasksVerdict } from './end-with-tasks.ts';
import { nextStep } from './next-step.ts';

const hour = 3_600_000;
const nowMs = 100 * hour;

interface Given {
  kind?: DeploymentKind;
  counts?: Partial<RolloutCounts>;
  quietForMs?: number;
}

function step(state: AfterTasksVerdict['state'], { kind = 'DEPLOY', counts = {}, quietForMs = 0 }: Given = {}) {
  return nextStep(
    planRollout([], []),
    0,
    {
      kind,
      wave: 1,
      heldBecause: null,
      promotedTo: 0,
      toleratedFailures: 0,
      bakeBeganAtMs: null,
      checksBeganAtMs: null,
    },
    {
      counts: { done: 3, inProgress: 0, failed: 0, offline: 0, waiting: 0, ...counts },
      nowMs,
      watchedSinceMs: nowMs - quietForMs,
      lastProgressAtMs: nowMs - quietForMs,
      commonReason: '',
    },
    { state, detail: state === 'none' ? '' : 'the task "smoke" said so' },
  );
}

describe('how a deployment with tasks ends', () => {
  it('ends as its machines say when there are none', () => {
    expect(step('none')).toMatchObject({ step: 'end', status: 'SUCCEEDED', release: false });
  });

  it('lets its tasks run when the machines have confirmed it, and not before', () => {
    expect(step('waiting', { counts: { inProgress: 1 } })).toEqual({ step: 'hold' });
    expect(step('waiting')).toEqual({ step: 'release-tasks' });
  });

  it('fails without them when the machines fail', () => {
    const failed = { counts: { done: 0, failed: 3 } };
    expect(step('waiting', failed)).toMatchObject({ step: 'end', status: 'FAILED', release: false });
    expect(step('running', failed)).toMatchObject({ step: 'end', status: 'FAILED' });
  });

  it('does not count the time that tasks take as a stall', () => {
    expect(step('running', { quietForMs: hour })).toEqual({ step: 'hold' });
    expect(step('succeeded', { quietForMs: hour })).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('ends with the reason of the task that failed', () => {
    expect(step('failed')).toMatchObject({ step: 'end', status: 'FAILED', outcome: 'the task "smoke" said so' });
  });

  it('succeeds when they have, also while a machine that came back catches up', () => {
    expect(step('succeeded', { counts: { inProgress: 1 } })).toMatchObject({
      step: 'end',
      status: 'SUCCEEDED',
      outcome: '3 machines run it; 1 under way; the task "smoke" said so',
    });
  });

  it.each(['running', 'failed'] as const)('a rollback ends by its machines while its tasks are %s', (state) => {
    expect(step(state, { kind: 'ROLLBACK' })).toMatchObject({ step: 'end', status: 'SUCCEEDED' });
  });

  it('a rollback lets its tasks run and ends at once', () => {
    expect(step('waiting', { kind: 'ROLLBACK' })).toMatchObject({ step: 'end', status: 'SUCCEEDED', release: true });
  });
});
