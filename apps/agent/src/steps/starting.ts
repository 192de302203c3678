import { runHook } from './hooks.ts';
import { attemptOf, graceOfRunning, type Step } from './step.ts';

/** Starts the new program, unless an agent that was killed has started it already for this very deployment. */
export const starting: Step = async (context, situation, signal) => {
  const { programs, slots } = context;
  const target = attemptOf(situation);
  const { run } = await slots.needManifest(target);
  const record = (await programs.running())?.record;
  if (record?.build === target.build && record.deployment === target.deployment && record.reason === 'update') {
    return { type: 'STARTED' };
  }
  await programs.stop(await graceOfRunning(context, situation), signal);
  const reason = await runHook(context, situation, 'applicationStart', target, signal);
  if (reason !== undefined) return { type: 'STEP_FAILED', reason, at: context.clock.now() };
  if (run.command === null) return { type: 'STARTED' };
  await programs.launch(target, run, slots.folder(target), 'update');
  return { type: 'STARTED' };
};
