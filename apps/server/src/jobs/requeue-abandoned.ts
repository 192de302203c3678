import { and, eq, sql } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import { backToQueue, isRunning } from './open-jobs.ts';

/**
 * Puts back what is RUNNING under a worker's name, when that worker was killed and starts again; a job without attempts
 * left becomes FAILED. Called by the new process before it takes a job: it would wait for the monitor otherwise. Returns
 * the jobs' ids.
 */
export async function requeueAbandoned(database: Database, worker: string): Promise<number[]> {
  const again = sql`${jobs.attempts} < ${jobs.maxAttempts}`;
  return database.transaction(async (tx) => {
    const rows = await tx
      .update(jobs)
      .set({
        status: sql`case when ${again} then 'QUEUED' else 'FAILED' end`,
        finishedAt: sql`case when ${again} then null else now() end`,
        commitKey: sql`case when ${again} then ${jobs.commitKey} end`,
        failureReason: sql`'worker ' || ${jobs.worker} || ' was killed in attempt ' || ${jobs.attempts} || ' of ' || ${jobs.maxAttempts}`,
        worker: null,
        stage: null,
      })
      .where(and(isRunning, eq(jobs.worker, worker)))
      .returning({ id: jobs.id });
    const ids = rows.map(({ id }) => id);
    await backToQueue(tx, ids);
    if (ids.length > 0) await announce(tx, 'jobs');
    return ids;
  });
}
