import type { DeploymentKind } from '@starling/shared/words.ts';
import { type Decision, decide, describeSuccess, type RolloutPolicy, type RolloutSituation } from './decide.ts';

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

export interface EndingDeployment {
  id: number;
  kind: DeploymentKind;
}

const goOn: Decision = { end: false };

/** `decide`, with the tasks after the deployment taken into account. */
export async function decideWithTasks(
  policy: RolloutPolicy,
  deployment: EndingDeployment,
  situation: RolloutSituation,
  tasks: AfterTasks,
): Promise<Decision> {
  const { state, detail } = await tasks.verdict(deployment.id);
  if (state === 'none') return decide(policy, situation);
  if (state === 'waiting') {
    const decision = decide(policy, situation);
    if (!decision.end || decision.status === 'FAILED') return decision;
    // Released before the end is written: if this server dies in between, the next pass does both again.
    await tasks.release(deployment.id);
    return deployment.kind === 'ROLLBACK' ? decision : goOn;
  }
  // While tasks run no machine has anything to do, which is no stall; they have deadlines of their own.
  const decision = decide(policy, { ...situation, lastProgressAtMs: situation.nowMs });
  if (deployment.kind === 'ROLLBACK' || (decision.end && decision.status === 'FAILED')) return decision;
  if (state === 'failed') return { end: true, status: 'FAILED', outcome: detail };
  if (state === 'running') return goOn;
  // A machine that came back in the meantime catches up, as it would after the end.
  const outcome = `${describeSuccess(situation.counts)}; ${detail}`;
  return { end: true, status: 'SUCCEEDED', outcome };
}
