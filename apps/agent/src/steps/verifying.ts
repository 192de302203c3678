import { StarlingError } from '@starling/shared/errors.ts';
import { WrongPack } from '../slots/unpack.ts';
import { attemptOf, type Step } from './step.ts';

/** Checks every byte of the pack on its way into the slot. A wrong pack is fetched once more, then it is a failure. */
export const verifying: Step = async ({ log, packs, slots }, situation, signal) => {
  const target = attemptOf(situation);
  if (await slots.isReady(target)) return { type: 'UNPACKED' };
  const pack = (await slots.manifest(target))?.pack;
  try {
    if (!pack || !(await packs.hasFile(pack))) throw new WrongPack('the pack is gone or has the wrong size');
    await slots.fill(target, packs.path(pack.sha256), signal);
    return { type: 'UNPACKED' };
  } catch (thrown) {
    if (!(thrown instanceof WrongPack)) throw thrown;
    if (pack) await packs.discard(pack);
    if (situation.attempt?.refetched) {
      throw new StarlingError('INVALID_INPUT', `${thrown.message}, after it was fetched a second time`);
    }
    log.warn({ build: target.build }, `${thrown.message}; it is fetched again`);
    return { type: 'PACK_LOST' };
  }
};
