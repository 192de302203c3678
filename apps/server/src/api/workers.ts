import { StarlingError } from '@starling/shared/errors.ts';
import { allProjects } from '@starling/shared/permissions.ts';
import { machineId } from '@starling/shared/words.ts';
import { z } from 'zod';
import { recordAudit } from '../audit/record.ts';
import type { Transaction } from '../db/connect.ts';
import { drainWorker, resumeWorker } from '../workers/drain.ts';
import { listWorkers, type WorkerView } from '../workers/list.ts';
import type { Caller, Context } from './context.ts';
import { everywhere, projectsOf, somewhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

const workerName = z.object({ name: machineId });

export const workersRouter = router({
  /** The workers of the last day and those that are drained, each with what it builds, where the caller may see that. */
  list: needs('view', somewhere).query(async ({ ctx }) => {
    const workers = await listWorkers(ctx.database);
    return workers.map((worker) => ({ ...worker, job: visibleJob(ctx.caller, worker) }));
  }),

  /** Lets a worker take no new job; it finishes the one it has, and waits. Doing it twice is harmless. */
  drain: needs('administer', everywhere)
    .input(workerName)
    .mutation(({ ctx, input }) =>
      change(ctx, 'worker.drain', input.name, (tx) => drainWorker(tx, input.name, ctx.caller.name)),
    ),

  /** Lets a drained worker take jobs again. Doing it twice is harmless. */
  resume: needs('administer', everywhere)
    .input(workerName)
    .mutation(({ ctx, input }) => change(ctx, 'worker.resume', input.name, (tx) => resumeWorker(tx, input.name))),
});

function visibleJob(caller: Caller, { job }: WorkerView): WorkerView['job'] {
  const visible = projectsOf(caller, 'view');
  return job && (visible === allProjects || visible.includes(job.project)) ? job : null;
}

async function change(
  { database, caller, requestId }: Context & { caller: Caller },
  action: string,
  name: string,
  apply: (tx: Transaction) => Promise<boolean | undefined>,
): Promise<WorkerView> {
  await database.transaction(async (tx) => {
    const changed = await apply(tx);
    if (changed === undefined) {
      throw new StarlingError('NOT_FOUND', `There is no worker "${name}".`, {
        field: 'name',
        fix: 'List them with: starling workers',
      });
    }
    if (changed) await recordAudit(tx, { actor: caller.name, action, project: null, target: name, requestId });
  });
  return (await listWorkers(database)).find((worker) => worker.name === name)!;
}
