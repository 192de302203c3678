import { join } from 'node:path';
import type { Target } from '@starling/shared/version-key.ts';
import { bytesIn } from '../lib/bytes-in.ts';
import { keepWithinBudget } from '../slots/budget.ts';
import type { StepContext } from './step.ts';

/**
 * Holds all slots and packs of this machine within its budget, as far as this project's own slots can: others give up theirs
 * when they come to rest. `never` of the first of `kept` stay whatever they take.
 */
export async function keepBudget(context: StepContext, kept: readonly Target[], never: number): Promise<void> {
  const { dataFolder, keepBytes, log, prunePacks, slots } = context;
  if (keepBytes === 0) return;
  const left = await keepWithinBudget({
    kept,
    never,
    budgetBytes: keepBytes,
    bytesUsed: async () => (await bytesIn(join(dataFolder, 'packs'))) + (await bytesIn(join(dataFolder, 'projects'))),
    keepOnly: async (targets) => {
      await slots.prune(targets);
      await prunePacks();
    },
  });
  if (left.length < kept.length)
    log.info({ builds: kept.slice(left.length).map(({ build }) => build) }, 'slots over the budget were deleted');
}
