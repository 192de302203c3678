import type { JobStatus } from '@starling/shared/words.ts';
import { eq, inArray, type SQL, sql } from 'drizzle-orm';
import { jobs, jobsRunning, jobsWaiting } from '../../../../drizzle/schema/index.ts';
import type { Transaction } from '../db/connect.ts';

// `jobs_waiting` and `jobs_running` hold which jobs are QUEUED and which are RUNNING, so that the wide rows of `jobs` need
// no index over their status. Taking a job and ending it well move its row within their own statements; every other change
// of status goes through here. Rows are locked in one order by all: waiting, job, running.

/** Jobs that are RUNNING, as a condition on `jobs`. */
export const isRunning = sql`${jobs.id} in (select job_id from jobs_running) and ${jobs.status} = 'RUNNING'`;

/** Jobs with a status, found by what holds few of them; those that SUCCEEDED are most of all, and found by anything. */
export function hasStatus(status: JobStatus): SQL {
  const has = eq(jobs.status, status);
  if (status === 'RUNNING') return isRunning;
  if (status === 'QUEUED') return sql`${jobs.id} in (select job_id from jobs_waiting) and ${has}`;
  return status === 'SUCCEEDED' ? has : sql`${jobs.failureReason} is not null and ${has}`;
}

/** Puts jobs that were RUNNING where their new status wants them: those QUEUED again wait, the others are gone. */
export async function stopRunning(tx: Transaction, ids: number[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.delete(jobsRunning).where(inArray(jobsRunning.jobId, ids));
  await tx.execute(sql`
    insert into jobs_waiting (job_id, project, priority, worker_labels)
    select id, project, priority, worker_labels from jobs
    where id in ${ids} and status = 'QUEUED'`);
}

/**
 * Takes jobs out of the queue for good. Called before their status is changed: whoever is taking one of them holds its
 * row here, and is then either waited for, or finds it gone. Returns the ids of those that were waiting.
 */
export async function stopWaiting(tx: Transaction, which: SQL): Promise<number[]> {
  const rows = await tx.delete(jobsWaiting).where(which).returning({ id: jobsWaiting.jobId });
  return rows.map(({ id }) => id);
}

/** The row of one job in the queue, by the index that there is. */
export const waitingRowOf = (id: number): SQL =>
  sql`${eq(jobsWaiting.jobId, id)} and ${jobsWaiting.priority} = (select priority from jobs where id = ${id})`;
