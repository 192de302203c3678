import { runHook, unmarkInstalled } from './hooks.ts';
import { attemptOf, type Step } from './step.ts';
import { verifying } from './verifying.ts';

/** Fills the slot, after the build's beforeInstall. A slot that is still there was installed already. */
export const installing: Step = async (context, situation, signal) => {
  const target = attemptOf(situation);
  if (!(await context.slots.isReady(target))) {
    await unmarkInstalled(context, target);
    const reason = await runHook(context, situation, 'beforeInstall', target, signal);
    if (reason !== undefined) return { type: 'STEP_FAILED', reason, at: context.clock.now() };
  }
  return verifying(context, situation, signal);
};
