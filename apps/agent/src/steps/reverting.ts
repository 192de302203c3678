import { messageOf } from '@starling/shared/errors.ts';
import type { Target } from '@starling/shared/version-key.ts';
import { untilHealthy } from '../health/until-healthy.ts';
import { Aborted } from '../lib/abort.ts';
import type { Situation } from '../machine/situation.ts';
import { goalOf, runHook, runStopHooks } from './hooks.ts';
import { graceOfRunning, probeTargetOf, type Step, type StepContext } from './step.ts';

const checkDeadlineMs = 30_000;
/** Without a health check, running this long is all that can be asked of it. */
const aliveForMs = 1_000;

/**
 * Goes back to the build that was good before: stops the new program, swaps the link back, starts the old program
 * and looks whether it runs. There is nothing to go back to from here, so whatever fails is remarked on and the rest
 * is still done. When the machine retires the project, nothing is started.
 */
export const reverting: Step = async (context, situation, signal) => {
  const { clock, log, slots } = context;
  const goal = goalOf(situation);
  const remarks: string[] = [];
  const attempt = async (what: string, work: () => Promise<string | undefined>) => {
    try {
      const remark = await work();
      if (remark) remarks.push(`${what}: ${remark}`);
    } catch (thrown) {
      if (thrown instanceof Aborted) throw thrown;
      log.error({ err: thrown }, what);
      remarks.push(`${what}: ${messageOf(thrown)}`);
    }
  };
  await attempt('stopping the failed program', () => stopUnlessBack(context, situation, goal, signal));
  await attempt('swapping back', async () => {
    await slots.makeCurrent(goal);
    return undefined;
  });
  if (situation.retiring) return { type: 'RETIRED' };
  if (goal)
    await attempt(`${goal.build}, the build before, is not healthy either`, () =>
      startAgain(context, situation, goal, signal),
    );
  return { type: 'REVERTED', remark: remarks.join('\n'), at: clock.now() };
};

/** Stops what runs, unless it is the old program that this step started before the agent was killed in it. */
async function stopUnlessBack(
  context: StepContext,
  situation: Situation,
  goal: Target | null,
  signal: AbortSignal,
): Promise<undefined> {
  const record = (await context.programs.running())?.record;
  if (goal && record?.build === goal.build && record.reason === 'revert') return;
  await runStopHooks(context, situation, goal, signal);
  await context.programs.stop(await graceOfRunning(context, situation), signal);
}

async function startAgain(
  context: StepContext,
  situation: Situation,
  goal: Target,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { clock, programs, slots } = context;
  const { run } = await slots.needManifest(goal);
  let program = await programs.running();
  if (!program) {
    const failure = await runHook(context, situation, 'applicationStart', goal, signal);
    if (failure !== undefined) context.note(failure);
    if (run.command !== null) program = await programs.launch(goal, run, slots.folder(goal), 'revert');
  }
  if (!program && !run.hooks) return undefined;
  const unhealthy = await untilHealthy(
    probeTargetOf(context, goal, run, program),
    program,
    {
      intervalMs: run.healthIntervalMs,
      minHealthyTimeMs: run.health.type === 'none' ? aliveForMs : 0,
      deadlineMs: Math.min(checkDeadlineMs, run.healthyDeadlineMs),
    },
    clock,
    signal,
  );
  return unhealthy ?? runHook(context, situation, 'validateService', goal, signal);
}
