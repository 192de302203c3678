import type { CheckVerdict } from '@starling/shared/rollout-checks.ts';
import { checksOf, describeWave, type RolloutPlan } from '@starling/shared/rollout-plan.ts';
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
  /** Since when what is checked before the next wave is measured. */
  checksBeganAtMs: number | null;
}

/** What the checks of the stage come to that the deployment is in: before its next wave, or while a wave bakes. */
export interface AnalysisVerdict {
  state: 'none' | 'running' | CheckVerdict;
  /** Why, in a sentence without a full stop. */
  detail: string;
}

export type Step =
  | { step: 'hold' }
  /** The machines have confirmed the wave: from now on they must stay well. */
  | { step: 'bake' }
  /** Measures what is to be known before the next wave. */
  | { step: 'check' }
  | { step: 'advance'; to: number; why: string }
  /** Stands still until a person decides. */
  | { step: 'halt'; why: string }
  | { step: 'release-tasks' }
  /** FAILED takes the candidate away, and machines go back to what is stable. */
  | { step: 'end'; status: 'SUCCEEDED' | 'FAILED'; outcome: string; release: boolean };

const hold: Step = { step: 'hold' };
const nothingToCheck: AnalysisVerdict = { state: 'none', detail: '' };

/** @param settleMs how long an absent machine is waited for before it counts as offline */
export function nextStep(
  plan: RolloutPlan,
  settleMs: number,
  state: WaveState,
  situation: RolloutSituation,
  tasks: AfterTasksVerdict,
  analysis: AnalysisVerdict = nothingToCheck,
): Step {
  if (state.heldBecause !== null) return hold;
  const { nowMs } = situation;
  const wave = plan.waves[state.wave - 1];
  const isPromoted = state.wave < plan.waves.length && state.promotedTo > state.wave;
  if (!wave) return isPromoted ? promoted() : begin(1, `begins with ${describeWave(plan.waves[0]!)}`);
  const isLast = state.wave >= plan.waves.length;
  const counts = withoutTolerated(situation.counts, state.toleratedFailures);
  const bakedAtMs = state.bakeBeganAtMs === null ? null : state.bakeBeganAtMs + wave.bakeMs;
  // While machines bake, checks are made or tasks run nobody has anything to say, which is no stall.
  const isBusy = areReleased(tasks) || analysis.state === 'running';
  const quietUntilMs = isBusy ? nowMs : Math.min(bakedAtMs ?? 0, nowMs);
  const decision = decide(
    { ...plan, settleMs },
    { ...situation, counts, lastProgressAtMs: Math.max(situation.lastProgressAtMs, quietUntilMs) },
  );
  if (decision.end && decision.status === 'FAILED') return fail(plan, state, decision.outcome);
  if (isPromoted) return promoted();

  // A wave that has nobody, or nobody but who failed and was accepted, has nothing to wait for. The last one has: what no
  // machine runs has not succeeded.
  const accepted = situation.counts.failed - counts.failed;
  const isPassedOver = !isLast && isEmpty(counts) && (accepted > 0 || wave.labels === null);
  const isConfirmed = decision.end || isPassedOver;
  if (isLast && areReleased(tasks)) return end();
  const bad = judgeAnalysis();
  if (bad) return bad;
  if (!isConfirmed) return hold;
  const bakes = wave.bakeMs > 0 || checksOf(plan, 'bake').length > 0;
  if (bakes && bakedAtMs === null) return { step: 'bake' };
  if (bakedAtMs !== null && nowMs < bakedAtMs) return hold;
  // Of this wave still, unless those before the next one have begun.
  if (state.checksBeganAtMs === null && analysis.state === 'running') return hold;
  if (isLast) return end();
  const next = describeWave(plan.waves[state.wave]!);
  return begin(state.wave + 1, `${describeWave(wave)} confirmed it; goes on to ${next}`);

  function promoted(): Step {
    return { step: 'advance', to: state.wave + 1, why: `promoted, to ${describeWave(plan.waves[state.wave]!)}` };
  }

  /** The next wave, once it is known what is to be known before it. */
  function begin(to: number, why: string): Step {
    if (checksOf(plan, 'before').length === 0) return { step: 'advance', to, why };
    if (state.checksBeganAtMs === null) return { step: 'check' };
    return judgeAnalysis() ?? (analysis.state === 'running' ? hold : { step: 'advance', to, why });
  }

  /** What failed goes the way of machines that fail; what cannot be told is for a person, whatever the policy. */
  function judgeAnalysis(): Step | undefined {
    if (analysis.state === 'FAILED') return fail(plan, state, analysis.detail);
    if (analysis.state !== 'INCONCLUSIVE' && analysis.state !== 'ERROR') return undefined;
    return { step: 'halt', why: located(plan, state, analysis.detail) };
  }

  function end(): Step {
    const { decision: final, release } = endWithTasks(state.kind, counts, decision, tasks);
    if (!final.end) return release ? { step: 'release-tasks' } : hold;
    if (final.status === 'FAILED') return fail(plan, state, final.outcome);
    const outcome = accepted > 0 ? `${final.outcome}; ${accepted} failed, which was accepted` : final.outcome;
    return { step: 'end', status: 'SUCCEEDED', outcome, release };
  }
}

function fail(plan: RolloutPlan, state: WaveState, why: string): Step {
  const where = located(plan, state, why);
  // A rollback is where one goes when something failed: there is nothing to wait for.
  if (plan.autoRevert || state.kind === 'ROLLBACK') {
    return { step: 'end', status: 'FAILED', outcome: where, release: false };
  }
  return { step: 'halt', why: where };
}

function located(plan: RolloutPlan, { wave, checksBeganAtMs }: WaveState, why: string): string {
  const many = plan.waves.length;
  if (many === 1) return why;
  return checksBeganAtMs === null ? `wave ${wave} of ${many}: ${why}` : `before wave ${wave + 1} of ${many}: ${why}`;
}

const isEmpty = ({ done, inProgress, failed, offline, waiting }: RolloutCounts) =>
  done + inProgress + failed + offline + waiting === 0;

/** Whoever went on after a halt has accepted the failures of then: they count neither way. */
function withoutTolerated(counts: RolloutCounts, tolerated: number): RolloutCounts {
  return { ...counts, failed: Math.max(0, counts.failed - tolerated) };
}
