import { untilHealthy } from '../health/until-healthy.ts';
import { attemptOf, probeTargetOf, type Step } from './step.ts';

/** Waits until the new build is healthy for long enough; why it is not is what people read of the deployment. */
export const probing: Step = async (context, situation, signal) => {
  const { clock, programs, slots } = context;
  const target = attemptOf(situation);
  const { run } = await slots.needManifest(target);
  const program = run.command === null ? undefined : await programs.latest();
  const unhealthy = await untilHealthy(
    probeTargetOf(context, target, run, program),
    program,
    { intervalMs: run.healthIntervalMs, minHealthyTimeMs: run.minHealthyTimeMs, deadlineMs: run.healthyDeadlineMs },
    clock,
    signal,
  );
  if (unhealthy === undefined) return { type: 'HEALTHY', at: clock.now() };
  const tail = program ? await programs.log.tail(program.record.logStart) : '';
  const reason = tail === '' ? unhealthy : `${unhealthy}\nThe last lines of its log:\n${tail}`;
  return { type: 'STEP_FAILED', reason, at: clock.now() };
};
