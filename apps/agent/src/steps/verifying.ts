import { StarlingError } from '@starling/shared/errors.ts';
import { throwIfAborted } from '../lib/abort.ts';
import { obtainUpdate } from './obtain-update.ts';
import { attemptOf, type Step } from './step.ts';

/** A base may turn out damaged again and again, each time in other chunks; more often than this it is of no use. */
const mostPlans = 4;

/**
 * Puts the slot together from what was fetched and the slots that are here, checking every chunk. A chunk that a slot no
 * longer has as it was is fetched instead. A pack with wrong bytes is fetched once more, then it is a failure.
 */
export const verifying: Step = async (context, situation, signal) => {
  const { log, packs, slots } = context;
  const target = attemptOf(situation);
  if (await slots.isReady(target)) return { type: 'UNPACKED' };
  const manifest = await slots.manifest(target);
  if (!manifest) return { type: 'PACK_LOST' };
  const { prepared } = context;
  context.prepared = undefined;
  const damaged = new Set<string>();
  let update = prepared?.manifestDigest === target.manifestDigest ? prepared.update : undefined;
  for (let plans = 1; ; plans += 1) {
    update ??= await obtainUpdate(context, situation, manifest, damaged, signal);
    const failures = await slots.fill(target, manifest, update, signal);
    throwIfAborted(signal);
    if (failures.length === 0) break;
    const wrongPacks = new Set(failures.flatMap(({ pack }) => pack ?? []));
    if (wrongPacks.size > 0 || plans === mostPlans) {
      for (const sha256 of wrongPacks) await packs.discard(sha256);
      const reason = failures.find(({ pack }) => pack !== undefined)?.reason ?? failures[0]?.reason;
      if (situation.attempt?.refetched)
        throw new StarlingError('INVALID_INPUT', `what was fetched is wrong (${reason}), also the second time`);
      log.warn({ build: target.build, failures: failures.length }, `${reason}; it is fetched again`);
      return { type: 'PACK_LOST' };
    }
    for (const { base } of failures) if (base !== undefined) damaged.add(base);
    log.warn(
      { build: target.build, chunks: failures.length },
      'a slot is not what it was; its chunks are fetched instead',
    );
    update = undefined;
  }
  for (const { pack } of update.plan.fetch) await packs.discardRanges(pack);
  return { type: 'UNPACKED' };
};
