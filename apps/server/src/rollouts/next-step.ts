import { describeWave, type RolloutPlan } from '@starling/shared/rollout-plan.ts';
import type { DeploymentKind } from '@starling/shared/words.ts';
import { decide, type RolloutCounts, type RolloutSituation } from './decide.ts';
import { type AfterTasksVerdict, areReleased, endWithTasks } from './end-with-tasks.ts';

// What the controller does next with a running deployment: a pure function of its plan, of where it is, of what the machines
// of its waves confirmed, of its tasks and of time. Whoever takes over from the row finds the same.

/** Where a deployment is, as its row says. */
export interface WaveState {
  kind: DeploymentKind;
  /** The wave that has begun, from 1; 0 before the first. */
  wave: number;
  /** Why it stands still, in a sentence without a full stop; null when it does not. */
  heldBecause: string | null;
  promotedTo: number;
  toleratedFailures: number;
  bakeBeganAtMs: number | null;
}

export type Step =
  | { step: 'hold' }
  /** The machines have confirmed the wave: from now on they must stay well. */
  | { step: 'bake' }
  | { step: 'advance'; to: number; why: string }
  /** Stands still until a person decides. */
  | { step: 'halt'; why: string }
  | { step: 'release-tasks' }
  /** FAILED takes the candidate away, and machines go back to what is stable. */
  | { step: 'end'; status: 'SUCCEEDED' | 'FAILED'; outcome: string; release: boolean };

const hold: Step = { step: 'hold' };

/** @param settleMs how long an absent machine is waited for before it counts as offline */
export function nextStep(
  plan: RolloutPlan,
  settleMs: number,
  state: WaveState,
  situation: RolloutSituation,
  tasks: AfterTasksVerdict,
): Step {
  if (state.heldBecause !== null) return hold;
  const { nowMs } = situation;
  const wave = plan.waves[state.wave - 1];
  if (!wave) return { step: 'advance', to: 1, why: `begins with ${describeWave(plan.waves[0]!)}` };
  const isLast = state.wave >= plan.waves.length;
  const counts = withoutTolerated(situation.counts, state.toleratedFailures);
  const bakedAtMs = state.bakeBeganAtMs === null ? null : state.bakeBeganAtMs + wave.bakeMs;
  // While machines bake or tasks run nobody has anything to say, which is no stall.
  const quietUntilMs = areReleased(tasks) ? nowMs : Math.min(bakedAtMs ?? 0, nowMs);
  const decision = decide(
    { ...plan, settleMs },
    { ...situation, counts, lastProgressAtMs: Math.max(situation.lastProgressAtMs, quietUntilMs) },
  );
  if (decision.end && decision.status === 'FAILED') return fail(plan, state, decision.outcome);
  if (!isLast && state.promotedTo > state.wave) {
    return { step: 'advance', to: state.wave + 1, why: `promoted, to ${describeWave(plan.waves[state.wave]!)}` };
  }

  // A wave that has nobody, or nobody but who failed and was accepted, has nothing to wait for. The last one has: what no
  // machine runs has not succeeded.
  const accepted = situation.counts.failed - counts.failed;
  const isPassedOver = !isLast && isEmpty(counts) && (accepted > 0 || wave.labels === null);
  const isConfirmed = decision.end || isPassedOver;
  if (isLast && areReleased(tasks)) return end();
  if (!isConfirmed) return hold;
  if (wave.bakeMs > 0 && bakedAtMs === null) return { step: 'bake' };
  if (bakedAtMs !== null && nowMs < bakedAtMs) return hold;
  if (isLast) return end();
  const next = describeWave(plan.waves[state.wave]!);
  return { step: 'advance', to: state.wave + 1, why: `${describeWave(wave)} confirmed it; goes on to ${next}` };

  function end(): Step {
    const { decision: final, release } = endWithTasks(state.kind, counts, decision, tasks);
    if (!final.end) return release ? { step: 'release-tasks' } : hold;
    if (final.status === 'FAILED') return fail(plan, state, final.outcome);
    const outcome = accepted > 0 ? `${final.outcome}; ${accepted} failed, which was accepted` : final.outcome;
    return { step: 'end', status: 'SUCCEEDED', outcome, release };
  }
}

function fail(plan: RolloutPlan, state: WaveState, why: string): Step {
  const where = plan.waves.length > 1 ? `wave ${state.wave} of ${plan.waves.length}: ${why}` : why;
  // A rollback is where one goes when something failed: there is nothing to wait for.
  if (plan.autoRevert || state.kind === 'ROLLBACK') {
    return { step: 'end', status: 'FAILED', outcome: where, release: false };
  }
  return { step: 'halt', why: where };
}

const isEmpty = ({ done, inProgress, failed, offline }: RolloutCounts) => done + inProgress + failed + offline === 0;

/** Whoever went on after a halt has accepted the failures of then: they count neither way. */
function withoutTolerated(counts: RolloutCounts, tolerated: number): RolloutCounts {
  return { ...counts, failed: Math.max(0, counts.failed - tolerated) };
}
