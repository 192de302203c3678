import { formatDuration } from '@starling/shared/durations.ts';

// When a deployment has ended, and how: a pure function of what the machines confirmed and of time.

export interface RolloutPolicy {
  /** Share of the machines that answered, at or above which a finished deployment has succeeded. */
  successThreshold: number;
  /** Share of the machines that answered, above which it has failed, once enough have answered. */
  errorThreshold: number;
  /** Failed machines above which it has failed whatever their share. */
  errorCap: number;
  /** How many must have answered before the share counts (all of them, in a smaller fleet). */
  minimumReported: number;
  /** How long nothing may change before it has stalled. */
  progressDeadlineMs: number;
  /** How long after it began (or control took over) an absent machine is waited for before it counts as offline. */
  settleMs: number;
}

export const defaultPolicy: RolloutPolicy = {
  successThreshold: 0.95,
  errorThreshold: 0.02,
  errorCap: 50,
  minimumReported: 20,
  progressDeadlineMs: 10 * 60_000,
  settleMs: 30_000,
};

/** The machines of a deployment, each counted once. */
export interface RolloutCounts {
  done: number;
  inProgress: number;
  failed: number;
  /** Not on any hub's connection: counted apart, they catch up when they are back. */
  offline: number;
  /** Ready, and kept by their maintenance windows: counted apart, they go over when one opens. */
  waiting: number;
}

export interface RolloutSituation {
  counts: RolloutCounts;
  nowMs: number;
  /** When the deployment began, or control began to watch it, whichever is later. */
  watchedSinceMs: number;
  /** When a machine last said something new. */
  lastProgressAtMs: number;
  /** Why most of the failed machines failed; empty when unknown. */
  commonReason: string;
}

export type Decision = { end: false } | { end: true; status: 'SUCCEEDED' | 'FAILED'; outcome: string };

const goOn: Decision = { end: false };

export function decide(policy: RolloutPolicy, situation: RolloutSituation): Decision {
  const { done, inProgress, failed, offline, waiting } = situation.counts;
  const online = done + inProgress + failed;
  const reported = done + failed;
  const because = situation.commonReason ? `: ${situation.commonReason}` : '';

  if (failed > policy.errorCap) {
    return failure(`${failed} machines failed, over the limit of ${policy.errorCap}${because}`);
  }
  const enough = reported > 0 && reported >= Math.min(policy.minimumReported, online + offline + waiting);
  if (enough && failed / reported > policy.errorThreshold && failed / reported > 1 - policy.successThreshold) {
    return failure(`${failed} of ${reported} machines that answered failed${because}`);
  }
  const stalledForMs = situation.nowMs - Math.max(situation.lastProgressAtMs, situation.watchedSinceMs);
  // Who waits for the clock has nothing to say until its window opens, which may be days.
  const mayBeQuiet = waiting > 0 && inProgress === 0;
  if (stalledForMs >= policy.progressDeadlineMs && !mayBeQuiet) {
    return failure(
      `stalled: nothing changed for ${formatDuration(stalledForMs)}, with ${done} done, ${inProgress} under way, ${failed} failed and ${offline} offline${because}`,
    );
  }
  const settled = offline === 0 || situation.nowMs - situation.watchedSinceMs >= policy.settleMs;
  if (inProgress > 0 || online === 0 || !settled) return goOn;
  if (done / reported < policy.successThreshold) return failure(`${failed} of ${reported} machines failed${because}`);
  return { end: true, status: 'SUCCEEDED', outcome: describeSuccess(situation.counts) };
}

function failure(outcome: string): Decision {
  return { end: true, status: 'FAILED', outcome };
}

/** What a deployment that succeeded has come to, in words. */
export function describeSuccess({ done, inProgress, failed, offline, waiting }: RolloutCounts): string {
  const parts = [`${done} ${done === 1 ? 'machine runs' : 'machines run'} it`];
  if (inProgress > 0) parts.push(`${inProgress} under way`);
  if (failed > 0) parts.push(`${failed} failed, within the threshold`);
  if (offline > 0) parts.push(`${offline} offline, which catch up when they are back`);
  if (waiting > 0) parts.push(`${waiting} ${waiting === 1 ? 'waits for its' : 'wait for their'} maintenance window`);
  return parts.join('; ');
}
