import { queueStatus } from '../workers/queue-status.ts';
import { somewhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const queueRouter = router({
  /**
   * What waits and runs, how long the first has waited, and how many workers that wants, in all and for each set of labels
   * that jobs ask for. For whoever starts and stops workers.
   */
  status: needs('view', somewhere).query(({ ctx }) =>
    queueStatus(ctx.database, { targetWaitMs: ctx.limits.targetWaitMs }),
  ),
});
