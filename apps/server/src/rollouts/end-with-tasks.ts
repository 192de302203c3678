import type { DeploymentKind } from '@starling/shared/words.ts';
import { type Decision, describeSuccess, type RolloutCounts } from './decide.ts';

// The tasks after a deployment are part of it: when its machines have confirmed it they are let run, and it has
// succeeded when they have. One that fails makes it FAILED, and the machines go back. A rollback is different: it is what
// one does when something is wrong, so it ends when its machines say so; its tasks run after that and change nothing.

/** What the controller needs of the tasks after a deployment. */
export interface AfterTasks {
  verdict(deployment: number): Promise<AfterTasksVerdict>;
  /** Lets them run. Doing it twice is harmless. */
  release(deployment: number): Promise<void>;
}

export interface AfterTasksVerdict {
  state: 'none' | 'waiting' | 'running' | 'succeeded' | 'failed';
  /** Why, in a sentence without a full stop. */
  detail: string;
}

/** Whether they were let run: then no machine has anything to do, which is no stall; tasks have deadlines of their own. */
export const areReleased = ({ state }: AfterTasksVerdict): boolean => state !== 'none' && state !== 'waiting';

export interface End {
  decision: Decision;
  /** Let the tasks run, before the end is written: if this server dies in between, the next pass does both again. */
  release: boolean;
}

/** How a deployment ends whose last wave is as `decision` says. */
export function endWithTasks(
  kind: DeploymentKind,
  counts: RolloutCounts,
  decision: Decision,
  { state, detail }: AfterTasksVerdict,
): End {
  const goOn: End = { decision: { end: false }, release: false };
  if (decision.end && decision.status === 'FAILED') return { decision, release: false };
  if (state === 'none') return { decision, release: false };
  if (state === 'waiting') {
    if (!decision.end) return goOn;
    return kind === 'ROLLBACK' ? { decision, release: true } : { ...goOn, release: true };
  }
  if (kind === 'ROLLBACK') return { decision, release: false };
  if (state === 'failed') return { decision: { end: true, status: 'FAILED', outcome: detail }, release: false };
  if (state === 'running') return goOn;
  // A machine that came back in the meantime catches up, as it would after the end.
  const outcome = `${describeSuccess(counts)}; ${detail}`;
  return { decision: { end: true, status: 'SUCCEEDED', outcome }, release: false };
}
