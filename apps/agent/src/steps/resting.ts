import { basename } from 'node:path';
import { chunkStarts } from '@starling/packs/manifest.ts';
import type { Manifest } from '@starling/packs/signed-manifest.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Target } from '@starling/shared/version-key.ts';
import { type PreparedUpdate, prepareUpdate } from '../fetch/update.ts';
import { Aborted, throwIfAborted, untilAborted } from '../lib/abort.ts';
import { type Situation, sameTarget } from '../machine/situation.ts';
import { type Drift, findDrift } from '../slots/drift.ts';
import { repairDrift } from '../slots/drift-repair.ts';
import { keepBudget } from './keep-budget.ts';
import { servedOf, updateTools } from './obtain-update.ts';
import type { Step, StepContext } from './step.ts';

// What a machine does at rest. Nothing here may fail the build that runs.

/** Serves the committed pack to others, deletes what is too old to go back to, and sees to it that the slot stays as it is. */
export const committed: Step = async (context, situation, signal) => {
  const { current } = situation;
  await tidyUp(context, situation, current ? [current] : [], signal);
  const { clock, driftEveryMs } = context;
  while (current && driftEveryMs > 0) {
    await clock.sleep(driftEveryMs, signal);
    throwIfAborted(signal);
    await quietly(context, signal, () => putDriftRight(context, current, signal));
  }
  return undefined;
};

const driftBytesPerSecond = 20 * 1024 * 1024;
const repairPatienceMs = 10 * 60_000;

async function putDriftRight(context: StepContext, current: Target, signal: AbortSignal): Promise<void> {
  const { clock, note, slots } = context;
  const manifest = await slots.needManifest(current);
  let unrested = 0;
  const rest = async (bytes: number) => {
    unrested += bytes;
    if (unrested < driftBytesPerSecond / 20) return;
    await clock.sleep((unrested / driftBytesPerSecond) * 1_000, signal);
    unrested = 0;
  };
  const slotFolder = slots.folder(current);
  const found = await findDrift(slotFolder, manifest, rest, signal);
  if (found.drifts.length === 0) return;
  // Whoever has to fetch for it must not wait for ever.
  const patience = AbortSignal.any([signal, AbortSignal.timeout(repairPatienceMs)]);
  const { drifts, left } = await repairDrift({
    slotFolder,
    manifest,
    found,
    prepare: () => partsFor(context, current, manifest, found.chunks, patience),
    signal,
  });
  if (drifts.length > 0) note(driftNote(drifts, left));
}

/** What the wrong chunks of the current slot can be made of: other slots, and packs. */
async function partsFor(
  context: StepContext,
  current: Target,
  manifest: Manifest,
  chunks: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<PreparedUpdate> {
  const { slots } = context;
  const own = basename(slots.folder(current));
  const starts = chunkStarts(manifest);
  const damaged = new Set([...chunks].map((chunk) => `${own}:${starts[chunk]!}`));
  return prepareUpdate(
    updateTools(context),
    { manifest, bases: await slots.bases(), damaged, served: await servedOf(context, current) },
    signal,
  );
}

const namedDrifts = 5;

function driftNote(drifts: readonly Drift[], left: readonly Drift[]): string {
  const say = (some: readonly Drift[]) =>
    [
      ...some.slice(0, namedDrifts).map(({ entry, what }) => `${entry.path} ${what}`),
      ...(some.length > namedDrifts ? [`${some.length - namedDrifts} more`] : []),
    ].join(', ');
  const putRight = drifts.length - left.length;
  const outcome = left.length === 0 ? 'all put right' : `${putRight} put right; ${say(left)}`;
  return `drift: ${say(drifts)}; ${outcome}`;
}

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
    await keepBudget(context, kept, served.length + 1);
  });
}

async function serve(context: StepContext, targets: Target[]): Promise<void> {
  const served = [];
  for (const target of targets) served.push(...(await servedOf(context, target)));
  await context.packs.holdOnly(context.project, [], served);
}

async function quietly({ log }: StepContext, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    await untilAborted(work(), signal);
  } catch (thrown) {
    if (thrown instanceof Aborted) throw thrown;
    log.warn({ err: thrown }, `tidying up failed: ${messageOf(thrown)}`);
  }
}
