import { formatDuration } from '@starling/shared/durations.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Manifest } from '@starling/shared/manifest.ts';
import type { Target } from '@starling/shared/version-key.ts';
import type { Membership } from '@starling/swarm/swarm.ts';
import { bytesNeeded, needRoom } from '../fetch/disk-space.ts';
import { Aborted, throwIfAborted, untilAborted } from '../lib/abort.ts';
import type { Situation } from '../machine/situation.ts';
import { attemptOf, type Step, type StepContext } from './step.ts';

const progressEveryMs = 1_000;
const stalledAfterMs = 60_000;
const manifestTries = 3;
const manifestPauseMs = 1_000;

/** Gets the manifest from the hub and the pack from the swarm. A build whose slot is still there needs neither. */
export const fetching: Step = async (context, situation, signal) => {
  const { packs, slots } = context;
  const target = attemptOf(situation);
  if (await slots.isReady(target)) return { type: 'SLOT_READY' };
  const manifest = (await slots.manifest(target)) ?? (await obtainManifest(context, target, signal));
  throwIfAborted(signal);
  await makeRoom(context, situation, manifest);
  throwIfAborted(signal);
  const served = situation.current && (await slots.manifest(situation.current))?.pack;
  const alsoServed = served && (await packs.hasFile(served)) ? [served] : [];
  await untilAborted(packs.holdOnly(context.project, [manifest.pack, ...alsoServed]), signal);
  const membership = packs.membership(manifest.pack);
  if (!membership) throw new Error('the swarm was left while it was joined');
  await untilFetched(context, membership, target, signal);
  return { type: 'PACK_FETCHED' };
};

/** A hub may have been handed the wrong bytes: it is asked again before the attempt fails. */
async function obtainManifest(context: StepContext, target: Target, signal: AbortSignal): Promise<Manifest> {
  for (let tries = 1; ; tries += 1) {
    const bytes = await context.downloadManifest(target.manifestDigest, signal);
    try {
      return await context.slots.saveManifest(target, bytes);
    } catch (thrown) {
      if (tries >= manifestTries) throw thrown;
      context.log.warn({ build: target.build }, `${messageOf(thrown)}; asking again`);
      await context.clock.sleep(manifestPauseMs, signal);
      throwIfAborted(signal);
    }
  }
}

/** On a full disk all slots go but the one that runs, the good one before it, and the one that comes. */
async function makeRoom(context: StepContext, situation: Situation, manifest: Manifest): Promise<void> {
  const { dataFolder, freeBytes, packs, slots } = context;
  const packPath = packs.path(manifest.pack.sha256);
  try {
    return await needRoom(await bytesNeeded(manifest, packPath), dataFolder, freeBytes);
  } catch {
    const kept = [attemptOf(situation), situation.current, situation.earlier[0]].filter((target) => target != null);
    const deleted = await slots.prune(kept);
    await context.prunePacks();
    context.log.warn({ deleted }, 'the disk is nearly full: old slots were deleted');
  }
  await needRoom(await bytesNeeded(manifest, packPath), dataFolder, freeBytes);
}

async function untilFetched(
  context: StepContext,
  membership: Membership,
  { deployment }: Target,
  signal: AbortSignal,
): Promise<void> {
  const tell = () => {
    const { bytesDone, bytesTotal, bytesPerSecond } = membership.progress();
    const [done, total, rate] = [bytesDone, bytesTotal, bytesPerSecond].map((value) => Math.max(0, Math.round(value)));
    context.progress({ deployment, bytesDone: done ?? 0, bytesTotal: total ?? 0, bytesPerSecond: rate ?? 0 });
  };
  const ended = new AbortController();
  const watching = watch(AbortSignal.any([signal, ended.signal]));
  try {
    await untilAborted(membership.whenComplete(signal), signal);
  } catch (thrown) {
    throw signal.aborted ? new Aborted() : thrown;
  } finally {
    ended.abort();
    await watching;
  }
  tell();

  /** Tells the progress each second, and once for each stall that nothing comes. */
  async function watch(working: AbortSignal): Promise<void> {
    let lastBytes = -1;
    let grewAt = context.clock.now();
    let saidSo = false;
    while (!working.aborted) {
      tell();
      const { bytesDone, peers } = membership.progress();
      if (bytesDone !== lastBytes) {
        lastBytes = bytesDone;
        grewAt = context.clock.now();
        saidSo = false;
      } else if (!saidSo && context.clock.now() - grewAt >= stalledAfterMs) {
        saidSo = true;
        context.note(
          `no bytes arrived for ${formatDuration(stalledAfterMs)}; connected to ${peers} members of the swarm`,
        );
      }
      await context.clock.sleep(progressEveryMs, working);
    }
  }
}
