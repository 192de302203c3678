import { untilHealthy } from '../health/until-healthy.ts';
import { runHook } from './hooks.ts';
import { attemptOf, probeTargetOf, type Step } from './step.ts';

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
  );
  found ??= await runHook(context, situation, 'validateService', target, signal);
  if (found === undefined && program && !program.isAlive()) found = 'the program ended while it was validated';
  if (found === undefined) return { type: 'HEALTHY', at: clock.now() };
  const tail = program ? await programs.log.tail(program.record.logStart) : '';
  const reason = tail === '' ? found : `${found}\nThe last lines of its log:\n${tail}`;
  return { type: 'STEP_FAILED', reason, at: clock.now() };
};
