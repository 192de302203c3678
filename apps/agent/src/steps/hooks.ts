import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import type { LifecycleEvent } from '@starling/shared/lifecycle.ts';
import type { Target } from '@starling/shared/version-key.ts';
import { isFolder, namesIn } from '../lib/folders.ts';
import { type Situation, sameBuild } from '../machine/situation.ts';
import { currentSlotName } from '../slots/current-link.ts';
import { slotName } from '../slots/layout.ts';
import type { StepContext } from './step.ts';

// The hooks of an update: beforeInstall and afterInstall of the new build while the old one runs, drain and
// applicationStop of the build that `current` leads to, applicationStart and validateService of the new one. On the
// way back the same, with the failed build as the one that is stopped. An agent that is killed in a hook begins the
// step anew, so a hook may run more than once.

/** The build's hook for an event, where it has one: undefined when it passed, else what is to be told. */
export async function runHook(
  context: StepContext,
  situation: Situation,
  event: LifecycleEvent,
  target: Target,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { hooks, log, place, programs, slots } = context;
  const { run } = await slots.needManifest(target);
  if (!run.hooks?.[event]) return undefined;
  const program = await programs.latest();
  const ownPort = program?.record.build === target.build ? program.record.port : null;
  const port = ownPort ?? (typeof run.port === 'number' ? run.port : null);
  const slot = slots.folder(target);
  const { attempt, current, state } = situation;
  const [from, to] = state === 'REVERTING' ? [attempt ?? current, goalOf(situation)] : [current, attempt];
  const deployment = attempt?.deployment ?? target.deployment;
  const environment = {
    ...programs.environment(target.build, run, port),
    STARLING_LIFECYCLE_EVENT: event,
    STARLING_DEPLOYMENT: String(deployment),
    STARLING_PREVIOUS_BUILD: from?.build ?? '',
    STARLING_NEXT_BUILD: to?.build ?? '',
    STARLING_SLOT: slot,
  };
  const folder = event === 'beforeInstall' ? place.folder : slot;
  log.info({ build: target.build, event }, 'hook');
  return hooks.run({ event, build: target.build, deployment, run, folder, environment }, signal);
}

/** What a machine that reverts goes back to; null for nothing. */
export function goalOf({ retiring, current }: Situation): Target | null {
  return retiring ? null : current;
}

/**
 * Runs the hooks of the build that is about to be stopped, unless it is the one to go back to. What fails there is told
 * and no more: a build whose stop hook is broken must not keep its successor out.
 */
export async function runStopHooks(
  context: StepContext,
  situation: Situation,
  goal: Target | null,
  signal: AbortSignal,
): Promise<void> {
  const owner = await installedTarget(context, situation);
  if (!owner || (goal && sameBuild(owner, goal))) return;
  if (!(await context.slots.manifest(owner))) return;
  for (const event of ['drain', 'applicationStop'] as const) {
    const failure = await runHook(context, situation, event, owner, signal);
    if (failure !== undefined) context.note(`${failure}\nThe build is stopped all the same.`);
  }
}

/** The build that `current` leads to. */
async function installedTarget(
  { place }: StepContext,
  { attempt, current, earlier }: Situation,
): Promise<Target | undefined> {
  const name = await currentSlotName(place.current);
  return [attempt, current, ...earlier].find((target) => target && slotName(target) === name) ?? undefined;
}

/** Whether afterInstall passed in the slot that is there now. */
export async function isInstalled(context: StepContext, target: Target): Promise<boolean> {
  return (await readIfThere(markOf(context, target))) !== undefined;
}

/** Remembers that afterInstall passed, and forgets what was remembered of slots that are gone. */
export async function markInstalled(context: StepContext, target: Target): Promise<void> {
  const { place } = context;
  const folder = join(place.folder, 'installed');
  await makeFolder(folder);
  await writeDurably(markOf(context, target), '');
  for (const name of await namesIn(folder)) {
    if (!(await isFolder(join(place.slots, name)))) await rm(join(folder, name), { force: true });
  }
}

/** Before a slot is filled anew. */
export async function unmarkInstalled(context: StepContext, target: Target): Promise<void> {
  await rm(markOf(context, target), { force: true });
}

function markOf({ place }: StepContext, target: Target): string {
  return join(place.folder, 'installed', slotName(target));
}
