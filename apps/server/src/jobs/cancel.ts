import { and, eq, inArray, sql } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Queryable } from '../db/connect.ts';
import { leaveQueue } from './open-jobs.ts';

/** Ends a job that is QUEUED or RUNNING; its worker is told at once and stops. False when it had ended already. */
export async function cancelJob(where: Queryable, id: number, reason: string): Promise<boolean> {
  return where.transaction(async (tx) => {
    await leaveQueue(tx, id);
    const rows = await tx
      .update(jobs)
      .set({
        status: 'CANCELLED',
        commitKey: null,
        failureReason: reason,
        worker: null,
        stage: null,
        finishedAt: sql`now()`,
      })
      .where(and(eq(jobs.id, id), inArray(jobs.status, ['QUEUED', 'RUNNING'])))
      .returning({ id: jobs.id });
    if (rows.length === 0) return false;
    // Told within the transaction: it is rare, and somebody waits for the recipe to stop.
    await announce(tx, 'jobs');
    await announce(tx, 'cancellations');
    return true;
  });
}
