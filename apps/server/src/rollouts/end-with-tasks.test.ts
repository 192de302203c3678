import type { DeploymentKind } from '@starling/shared/words.ts';
import { describe, expect, it } from 'vitest';
import { defaultPolicy, type RolloutCounts } from './decide.ts';
import { type AfterTasksVerdict, decideWithTasks } from './end-with-tasks.ts';

const hour = 3_600_000;

async function decided(
  state: AfterTasksVerdict['state'],
  {
    kind = 'DEPLOY',
    counts = {},
    quietForMs = 0,
  }: Partial<{
    kind: DeploymentKind;
    counts: Partial<RolloutCounts>;
    quietForMs: number;
  }> = {},
) {
  const released: number[] = [];
  const nowMs = 100 * hour;
  const decision = await decideWithTasks(
    defaultPolicy,
    { id: 7, kind },
    {
      counts: { done: 3, inProgress: 0, failed: 0, offline: 0, ...counts },
      nowMs,
      watchedSinceMs: nowMs - quietForMs,
      lastProgressAtMs: nowMs - quietForMs,
      commonReason: '',
    },
    {
      verdict: async () => ({ state, detail: state === 'none' ? '' : 'the task "smoke" said so' }),
      release: async (deployment) => {
        released.push(deployment);
      },
    },
  );
  return { decision, released };
}

describe('how a deployment with tasks ends', () => {
  it('ends as its machines say when there are none', async () => {
    expect(await decided('none')).toMatchObject({ decision: { end: true, status: 'SUCCEEDED' }, released: [] });
  });

  it('lets its tasks run when the machines have confirmed it, and not before', async () => {
    expect(await decided('waiting', { counts: { inProgress: 1 } })).toEqual({ decision: { end: false }, released: [] });
    expect(await decided('waiting')).toEqual({ decision: { end: false }, released: [7] });
  });

  it('fails without them when the machines fail', async () => {
    expect(await decided('waiting', { counts: { done: 0, failed: 3 } })).toMatchObject({
      decision: { status: 'FAILED' },
      released: [],
    });
    expect(await decided('running', { counts: { done: 0, failed: 3 } })).toMatchObject({
      decision: { status: 'FAILED' },
    });
  });

  it('does not count the time that tasks take as a stall', async () => {
    expect((await decided('running', { quietForMs: hour })).decision).toEqual({ end: false });
    expect((await decided('succeeded', { quietForMs: hour })).decision).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('ends with the reason of the task that failed', async () => {
    expect((await decided('failed')).decision).toEqual({
      end: true,
      status: 'FAILED',
      outcome: 'the task "smoke" said so',
    });
  });

  it('succeeds when they have, also while a machine that came back catches up', async () => {
    expect((await decided('succeeded', { counts: { inProgress: 1 } })).decision).toEqual({
      end: true,
      status: 'SUCCEEDED',
      outcome: '3 machines run it; 1 under way; the task "smoke" said so',
    });
  });

  it.each(['running', 'failed'] as const)('a rollback ends by its machines while its tasks are %s', async (state) => {
    expect((await decided(state, { kind: 'ROLLBACK' })).decision).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('a rollback lets its tasks run and ends at once', async () => {
    expect(await decided('waiting', { kind: 'ROLLBACK' })).toMatchObject({
      decision: { end: true, status: 'SUCCEEDED' },
      released: [7],
    });
  });
});
