import { runStopHooks } from './hooks.ts';
import { graceOfRunning, type Step } from './step.ts';

/** Ends the old program, if one runs: first by its own build's hooks, then within the grace that it asks for. */
export const stopping: Step = async (context, situation, signal) => {
  await runStopHooks(context, situation, null, signal);
  await context.programs.stop(await graceOfRunning(context, situation), signal);
  return { type: 'STOPPED' };
};
