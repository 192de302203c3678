import { isOpen, waitsForWindow } from '@starling/shared/maintenance.ts';
import { throwIfAborted } from '../lib/abort.ts';
import { isInstalled, markInstalled, runHook } from './hooks.ts';
import { attemptOf, type Step } from './step.ts';

const lookEveryMs = 10_000;

/**
 * The last moment at which nothing has been touched: the slot is looked at once more, and made ready by its own hook. While
 * the deployment is held the machine rests here; the key that lets it go begins the step anew. Outside its maintenance windows
 * it waits here, too.
 */
export const staged: Step = async (context, situation, signal) => {
  const target = attemptOf(situation);
  const { run } = await context.slots.needManifest(target);
  if (run.hooks?.afterInstall && !(await isInstalled(context, target))) {
    const reason = await runHook(context, situation, 'afterInstall', target, signal);
    if (reason !== undefined) return { type: 'STEP_FAILED', reason, at: context.clock.now() };
    await markInstalled(context, target);
  }
  if (situation.desired?.held) {
    context.note('ready; waits because the deployment stands still');
    return undefined;
  }
  const windows = situation.desired?.windows ?? [];
  for (let isSaid = false; !isOpen(windows, context.clock.now()); isSaid = true) {
    if (!isSaid) context.note(waitsForWindow);
    await context.clock.sleep(lookEveryMs, signal);
    throwIfAborted(signal);
  }
  return { type: 'CLEARED' };
};
