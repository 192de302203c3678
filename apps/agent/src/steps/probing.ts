import type { Target } from '@starling/shared/version-key.ts';
import { untilHealthy } from '../health/until-healthy.ts';
import { type Situation, sameBuild } from '../machine/situation.ts';
import { runHook } from './hooks.ts';
import { attemptOf, probeTargetOf, type Step, type StepContext } from './step.ts';

/** Waits until the new build is healthy for long enough; why it is not is what people read of the deployment. */
export const probing: Step = async (context, situation, signal) => {
  const { clock, programs, slots } = context;
  const target = attemptOf(situation);
  const { run } = await slots.needManifest(target);
  const program = run.command === null ? undefined : await programs.latest();
  let found = await untilHealthy(
    probeTargetOf(context, target, run, program),
    program,
    { intervalMs: run.healthIntervalMs, minHealthyTimeMs: run.minHealthyTimeMs, deadlineMs: run.healthyDeadlineMs },
    clock,
    signal,
    {
      reason: (isHealthy) => overtakenBy(context, situation, target, isHealthy),
      changed: () => context.newest().changed,
    },
  );
  found ??= await validate(context, situation, target, signal);
  if (found === undefined && program && !program.isAlive()) found = 'the program ended while it was validated';
  if (found === undefined) return { type: 'HEALTHY', at: clock.now() };
  const tail = program ? await programs.log.tail(program.record.logStart) : '';
  const reason = tail === '' ? found : `${found}\nThe last lines of its log:\n${tail}`;
  return { type: 'STEP_FAILED', reason, at: clock.now() };
};

/** Runs the hook that has the last word, unless the machine is told to go back meanwhile. */
async function validate(context: StepContext, situation: Situation, target: Target, signal: AbortSignal) {
  const [told, ended] = [new AbortController(), new AbortController()];
  // What the next key says does not bring the hook back.
  let why: string | undefined;
  const look = () => {
    why = overtakenBy(context, situation, target, true);
    if (why !== undefined) told.abort();
    else context.newest().changed.addEventListener('abort', look, { once: true, signal: ended.signal });
  };
  look();
  try {
    return await runHook(context, situation, 'validateService', target, AbortSignal.any([signal, told.signal]));
  } catch (thrown) {
    if (signal.aborted || why === undefined) throw thrown;
    return why;
  } finally {
    ended.abort();
  }
}

/**
 * Why the update is given up for a newer key: whoever goes back does not wait, and nothing newer waits for a program that is not
 * well. One that is well is soon committed, and the newer build comes next.
 */
function overtakenBy(context: StepContext, { current }: Situation, target: Target, isHealthy: boolean) {
  const { desired } = context.newest();
  if (!desired || sameBuild(desired.target, target)) return undefined;
  const { build, deployment } = desired.target;
  if (current && sameBuild(desired.target, current))
    return `it was told to go back to ${build} before it had been healthy for long enough`;
  return isHealthy ? undefined : `deployment ${deployment} came before it was healthy`;
}
