import { join } from 'node:path';
import { formatBytes } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { bytesNeeded, needRoom } from '../fetch/disk-space.ts';
import { aheadHolder } from '../fetch/pack-swarms.ts';
import type { AheadBuild } from '../fetch/prefetcher.ts';
import { prepareUpdate } from '../fetch/update.ts';
import { bytesIn } from '../lib/bytes-in.ts';
import { basesOf, updateTools } from './obtain-update.ts';
import type { StepContext } from './step.ts';

/**
 * Brings what this machine lacks of a build that may come, to where the update looks for it. Throws UNAVAILABLE when the disk
 * or the budget has no room for it: nothing is given up for what nobody has decided yet.
 */
export async function fetchAhead(
  context: StepContext,
  build: AheadBuild,
  onPacks: (packs: string[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { dataFolder, freeBytes, hub, keepBytes, packs, project, slots } = context;
  const slot = { ...build, deployment: 1 };
  if (await slots.isReady(slot)) return;
  const bytes = await hub.manifest(build.manifestDigest, signal, await slots.manifestsHere());
  const manifest = slots.checkManifest(build, bytes);
  const tools = { ...updateTools(context), project: aheadHolder(project, build.manifestDigest) };
  await prepareUpdate(
    tools,
    {
      manifest,
      bases: await basesOf(context, signal),
      damaged: new Set(),
      served: [],
      onPlan: async (plan) => {
        const path = (sha256: string) => packs.path(sha256);
        const needed = await bytesNeeded(manifest, plan, path, `${slots.folder(slot)}.partial`);
        await needRoom(needed, dataFolder, freeBytes);
        if (keepBytes > 0) {
          const used = (await bytesIn(join(dataFolder, 'packs'))) + (await bytesIn(join(dataFolder, 'projects')));
          if (used + plan.bytesToFetch > keepBytes)
            throw new StarlingError('UNAVAILABLE', `slots and packs may take ${formatBytes(keepBytes)} together`);
        }
        await onPacks(plan.fetch.map(({ pack }) => pack));
      },
    },
    signal,
  );
}
