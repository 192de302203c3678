import type { Manifest } from '@starling/packs/signed-manifest.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Target } from '@starling/shared/version-key.ts';
import { throwIfAborted } from '../lib/abort.ts';
import { obtainUpdate } from './obtain-update.ts';
import { attemptOf, type Step, type StepContext } from './step.ts';

const manifestTries = 3;
const manifestPauseMs = 1_000;

/**
 * Gets the manifest from the hub, and what the slots that are here lack of the build from the swarm or the hub. A build whose
 * slot is still there needs neither.
 */
export const fetching: Step = async (context, situation, signal) => {
  const { slots } = context;
  const target = attemptOf(situation);
  if (await slots.isReady(target)) return { type: 'SLOT_READY' };
  const manifest = (await slots.manifest(target)) ?? (await obtainManifest(context, target, signal));
  throwIfAborted(signal);
  const update = await obtainUpdate(context, situation, manifest, new Set(), signal);
  context.prepared = { manifestDigest: target.manifestDigest, update };
  return { type: 'PACK_FETCHED' };
};

/** A hub may have been handed the wrong bytes: it is asked again before the attempt fails. */
async function obtainManifest(context: StepContext, target: Target, signal: AbortSignal): Promise<Manifest> {
  const here = await context.slots.manifestsHere();
  for (let tries = 1; ; tries += 1) {
    const bytes = await context.hub.manifest(target.manifestDigest, signal, tries === 1 ? here : undefined);
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
