import { buildsAtOnce } from '../retention/night-sweep.ts';
import { planSweep, sweep } from '../retention/sweep.ts';
import { everywhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

/** Deleting goes on this long before the answer is given; what is left is for the next call. */
const patienceMs = 40_000;

export const retentionRouter = router({
  /** What a sweep would take away now. Changes nothing. */
  plan: needs('administer', everywhere).query(({ ctx }) => planSweep(ctx.database)),

  /** Sweeps some of what is past keeping, without waiting for the night; again until `left` is 0. */
  sweep: needs('administer', everywhere).mutation(({ ctx }) =>
    sweep({
      database: ctx.database,
      stores: ctx.stores,
      actor: ctx.caller.name,
      most: buildsAtOnce,
      signal: AbortSignal.timeout(patienceMs),
    }),
  ),
});
