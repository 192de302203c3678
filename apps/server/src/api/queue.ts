import { z } from 'zod';
import { queueStatus } from '../workers/queue-status.ts';
import { waitingJobs } from '../workers/waiting-jobs.ts';
import { somewhere, visibleNames } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const queueRouter = router({
  /**
   * What waits and runs, how long the first has waited, and how many workers that wants, in all and for each set of labels
   * that jobs ask for. For whoever starts and stops workers.
   */
  status: needs('view', somewhere).query(({ ctx }) =>
    queueStatus(ctx.database, { targetWaitMs: ctx.limits.targetWaitMs }),
  ),

  /** The jobs that wait, of the projects one may see, in the order in which they are taken. */
  waiting: needs('view', somewhere)
    .input(
      z.object({
        /** The last one of the page before. */
        after: z.object({ priority: z.number().int(), id: z.number().int().positive() }).optional(),
        limit: z.number().int().min(1).max(200).default(100),
      }),
    )
    .query(({ ctx, input }) => waitingJobs(ctx.database, visibleNames(ctx.caller), input)),
});
