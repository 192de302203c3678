import { messageOf } from '@starling/shared/errors.ts';
import type { Target } from '@starling/shared/version-key.ts';
import { Aborted, throwIfAborted, untilAborted } from '../lib/abort.ts';
import { type Situation, sameTarget } from '../machine/situation.ts';
import type { Step, StepContext } from './step.ts';

// What a machine does at rest. Nothing here may fail the build that runs.

/** Serves the committed pack to others, and deletes what is too old to go back to. */
export const committed: Step = async (context, situation, signal) => {
  await tidyUp(context, situation, situation.current ? [situation.current] : [], signal);
  return undefined;
};

/** What was retired goes; a machine that has never committed anything has nothing of its own to judge by. */
export const idle: Step = async (context, situation, signal) => {
  if (situation.earlier.length > 0) await tidyUp(context, situation, [], signal);
  return undefined;
};

/** Rests, unless what failed is what every machine must run: that is tried again after a growing pause. */
export const failed: Step = async (context, { attempt, current, desired, failures }, signal) => {
  const again = desired?.stable && attempt && failures && sameTarget(desired.target, attempt);
  await quietly(context, signal, () => serve(context, current ? [current] : []));
  if (!again) return undefined;
  const { clock } = context;
  while (clock.now() < failures.retryAt) {
    await clock.sleep(failures.retryAt - clock.now(), signal);
    throwIfAborted(signal);
  }
  return { type: 'RETRY' };
};

async function tidyUp(context: StepContext, now: Situation, served: Target[], signal: AbortSignal): Promise<void> {
  await quietly(context, signal, () => serve(context, served));
  throwIfAborted(signal);
  // This is waited for even when a new key comes: a deletion that lags behind could take what the key brings.
  await quietly(context, new AbortController().signal, async () => {
    const kept = [...served, ...now.earlier.slice(0, Math.max(1, context.keepSlots - served.length))];
    const deleted = await context.slots.prune(kept);
    if (deleted.length > 0) context.log.info({ deleted }, 'old slots were deleted');
    await context.prunePacks();
  });
}

async function serve({ packs, project, slots }: StepContext, targets: Target[]): Promise<void> {
  const served = [];
  for (const target of targets) {
    const pack = (await slots.manifest(target))?.pack;
    if (pack && (await packs.hasFile(pack))) served.push(pack);
  }
  await packs.holdOnly(project, served);
}

async function quietly({ log }: StepContext, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    await untilAborted(work(), signal);
  } catch (thrown) {
    if (thrown instanceof Aborted) throw thrown;
    log.warn({ err: thrown }, `tidying up failed: ${messageOf(thrown)}`);
  }
}
