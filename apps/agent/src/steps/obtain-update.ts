import type { Manifest } from '@starling/packs/signed-manifest.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import type { Target } from '@starling/shared/version-key.ts';
import { packOf } from '@starling/swarm/torrent-info.ts';
import { AccountTelling } from '../fetch/account.ts';
import { bytesNeeded, NoRoom, needRoom } from '../fetch/disk-space.ts';
import { unmanagedCopy } from '../fetch/unmanaged-copy.ts';
import {
  type BaseTree,
  type FetchedBytes,
  type PreparedUpdate,
  prepareUpdate,
  type UpdateTools,
} from '../fetch/update.ts';
import { Aborted } from '../lib/abort.ts';
import type { Situation } from '../machine/situation.ts';
import { attemptOf, type StepContext } from './step.ts';

const progressEveryMs = 1_000;
const stalledAfterMs = 60_000;

/**
 * Fetches what the attempted build takes beyond the slots that are here. On a full disk all slots go but the one that runs, the
 * good one before it, and the one that comes. Throws UNAVAILABLE when there is no room even so.
 */
export async function obtainUpdate(
  context: StepContext,
  situation: Situation,
  manifest: Manifest,
  damaged: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<PreparedUpdate> {
  const { slots, log } = context;
  try {
    return await once();
  } catch (thrown) {
    if (!(thrown instanceof NoRoom)) throw signal.aborted ? new Aborted() : thrown;
    const kept = [attemptOf(situation), situation.current, situation.earlier[0]].filter((target) => target != null);
    const deleted = await slots.prune(kept);
    await context.prunePacks();
    log.warn({ deleted }, 'the disk is nearly full: old slots were deleted');
    return await once();
  }

  async function once(): Promise<PreparedUpdate> {
    const target = attemptOf(situation);
    const served = situation.current ? await servedOf(context, situation.current) : [];
    return watched(context, target, signal, async (onProgress) =>
      prepareUpdate(
        updateTools(context),
        {
          manifest,
          bases: await basesOf(context, signal),
          damaged,
          served,
          onPlan: async (plan) => {
            const needed = await bytesNeeded(
              manifest,
              plan,
              (sha256) => context.packs.path(sha256),
              `${slots.folder(target)}.partial`,
            );
            await needRoom(needed, context.dataFolder, context.freeBytes);
            log.info(
              { fetch: plan.bytesToFetch, fromBases: plan.bytesFromBases, packs: plan.fetch.length, chain: plan.chain },
              `${target.build} is to be fetched`,
            );
          },
          onProgress,
        },
        signal,
      ),
    );
  }
}

/** The slots that are here; before the first install, the copy that somebody else left. */
export async function basesOf({ slots, baseCopy, log }: StepContext, signal: AbortSignal): Promise<BaseTree[]> {
  const bases = await slots.bases();
  if (bases.length > 0 || baseCopy === undefined) return bases;
  try {
    return [await unmanagedCopy(baseCopy, signal)];
  } catch (thrown) {
    log.warn({ err: thrown, folder: baseCopy }, `the copy that was there before is gone without: ${messageOf(thrown)}`);
    return [];
  }
}

/** What of a build's packs is here, to be served to others. */
export async function servedOf({ slots, packs }: StepContext, target: Target): Promise<Pack[]> {
  const served = [];
  for (const pack of (await slots.manifest(target))?.packs ?? [])
    if (await packs.hasFile(pack.digest)) served.push(packOf(pack));
  return served;
}

export function updateTools({ project, packs, hub, clock, smallFetchBytes, slots, log }: StepContext): UpdateTools {
  return {
    project,
    packs,
    hub,
    clock,
    smallFetchBytes,
    checkAncestor: (bytes, { build, digest }) => {
      try {
        return slots.checkManifest({ build, manifestDigest: digest }, bytes);
      } catch (thrown) {
        log.warn({ err: thrown }, `the manifest of ${build} is gone without`);
        return undefined;
      }
    },
  };
}

/** Tells the progress each second while `work` runs, and once for each stall that nothing comes. */
async function watched<T>(
  context: StepContext,
  { deployment }: Target,
  signal: AbortSignal,
  work: (onProgress: (progress: () => FetchedBytes) => void) => Promise<T>,
): Promise<T> {
  let progress: (() => FetchedBytes) | undefined;
  const telling = new AccountTelling(context.clock.now());
  const tell = () => {
    if (!progress) return;
    const { bytesDone, bytesTotal, bytesPerSecond, account } = progress();
    const whole = (value: number) => Math.max(0, Math.round(value));
    context.progress({
      deployment,
      bytesDone: whole(bytesDone),
      bytesTotal: whole(bytesTotal),
      bytesPerSecond: whole(bytesPerSecond),
      account: telling.tell(bytesDone, account, context.clock.now()),
    });
  };
  const ended = new AbortController();
  const begun = Promise.withResolvers<void>();
  const watching = begun.promise.then(() => watch(AbortSignal.any([signal, ended.signal])));
  try {
    const result = await work((now) => {
      progress = now;
      begun.resolve();
    });
    tell();
    context.log.info({ bytes: progress?.().bytesDone ?? 0 }, 'fetched');
    return result;
  } finally {
    ended.abort();
    begun.resolve();
    await watching;
  }

  async function watch(working: AbortSignal): Promise<void> {
    let lastBytes = -1;
    let grewAt = context.clock.now();
    let saidSo = false;
    while (!working.aborted && progress) {
      tell();
      const { bytesDone, peers } = progress();
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
