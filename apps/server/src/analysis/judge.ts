import type { CheckVerdict, RolloutCheck } from '@starling/shared/rollout-checks.ts';

// What the measurements of a check come to, and when the next one is due: pure functions of what was measured and of time.

/** One measurement; `verdict` is null while it is being made. */
export interface Measured {
  beganAtMs: number;
  verdict: CheckVerdict | null;
  detail: string;
}

export interface CheckState {
  /** Null while more is to be measured. */
  verdict: CheckVerdict | null;
  /** How many measurements count so far. */
  counted: number;
  /** Why, in a sentence without a full stop. */
  detail: string;
}

/** @param measured of this check in this stage, oldest first */
export function judgeCheck(check: RolloutCheck, measured: readonly Measured[]): CheckState {
  const [failed, inconclusive] = [of('FAILED'), of('INCONCLUSIVE')];
  const counted = of('SUCCESSFUL').length + failed.length + inconclusive.length;
  const ended = measured.filter(({ verdict }) => verdict !== null);
  // From the end: one that could be made makes up for those before it that could not.
  const errors = ended.length - 1 - ended.findLastIndex(({ verdict }) => verdict !== 'ERROR');
  const last = (list: readonly Measured[]) => list.at(-1)?.detail ?? '';
  if (failed.length > check.failureLimit) return { verdict: 'FAILED', counted, detail: last(failed) };
  if (inconclusive.length > check.inconclusiveLimit) {
    return { verdict: 'INCONCLUSIVE', counted, detail: last(inconclusive) };
  }
  if (errors > check.errorLimit) {
    return { verdict: 'ERROR', counted, detail: `could not be measured ${errors} times: ${last(ended)}` };
  }
  if (counted >= check.count) return { verdict: 'SUCCESSFUL', counted, detail: last(ended) };
  return { verdict: null, counted, detail: last(ended) };

  function of(wanted: CheckVerdict) {
    return measured.filter(({ verdict }) => verdict === wanted);
  }
}

/** Whether the check is to be measured now: at once, then an interval after the last one began; one at a time. */
export function isDue(check: RolloutCheck, measured: readonly Measured[], nowMs: number): boolean {
  const last = measured.at(-1);
  if (!last) return true;
  if (last.verdict === null || judgeCheck(check, measured).verdict !== null) return false;
  return nowMs - last.beganAtMs >= check.interval;
}

export interface AnalysisVerdict {
  /** `none`: nothing is to be checked in this stage. */
  state: 'none' | 'running' | CheckVerdict;
  /** Why, in a sentence without a full stop. */
  detail: string;
}

/** The worst first: what has failed has failed, whatever could not be told of the others. */
const worstFirst = ['FAILED', 'ERROR', 'INCONCLUSIVE'] as const;
const words = { FAILED: 'failed', ERROR: 'could not be made', INCONCLUSIVE: 'says neither yes nor no' };

/** What all checks of a stage come to. */
export function judgeStage(states: readonly { check: RolloutCheck; state: CheckState }[]): AnalysisVerdict {
  if (states.length === 0) return { state: 'none', detail: '' };
  for (const verdict of worstFirst) {
    const found = states.find(({ state }) => state.verdict === verdict);
    if (!found) continue;
    return { state: verdict, detail: `the check "${found.check.name}" ${words[verdict]}: ${found.state.detail}` };
  }
  const open = states.filter(({ state }) => state.verdict === null);
  if (open.length > 0) return { state: 'running', detail: open.map(({ check }) => check.name).join(', ') };
  return { state: 'SUCCESSFUL', detail: `${states.length === 1 ? 'its check' : `${states.length} checks`} succeeded` };
}
