import { and, eq } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Queryable } from '../db/connect.ts';
import { backToQueue, leaveQueue } from './open-jobs.ts';

/**
 * Gives a job that waits another place in the queue: higher priorities go first. False when it waits no longer, as a worker
 * took it or somebody ended it; then nothing is changed.
 */
export async function prioritiseJob(where: Queryable, id: number, priority: number): Promise<boolean> {
  return where.transaction(async (tx) => {
    // A new row rather than a changed one: whoever takes jobs names their rows by where these lie.
    if (!(await leaveQueue(tx, id))) return false;
    await tx
      .update(jobs)
      .set({ priority })
      .where(and(eq(jobs.id, id), eq(jobs.status, 'QUEUED')));
    await backToQueue(tx, [id]);
    await announce(tx, 'jobs');
    return true;
  });
}
