import { graceOfRunning, type Step } from './step.ts';

/** Ends the old program, if one runs, within the grace that its own build asks for. */
export const stopping: Step = async (context, situation, signal) => {
  await context.programs.stop(await graceOfRunning(context, situation), signal);
  return { type: 'STOPPED' };
};
