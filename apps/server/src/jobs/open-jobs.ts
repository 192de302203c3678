import { StarlingError } from '@starling/shared/errors.ts';
import type { JobStatus } from '@starling/shared/words.ts';
import { eq, type SQL, sql } from 'drizzle-orm';
import { jobs, jobsWaiting } from '../../../../drizzle/schema/index.ts';
import type { Database, Transaction } from '../db/connect.ts';

// `jobs_waiting` holds which jobs are QUEUED, `jobs_taken` among others all that are RUNNING, so that the wide rows of `jobs`
// need no index over their status. Queueing and taking write them within their own statements; every other way out of the
// queue, or back into it, is here. A job's row in the queue is locked before its own row by all.

/** Jobs that are RUNNING, as a condition on `jobs`. */
export const isRunning = sql`${jobs.id} in (select job_id from jobs_taken) and ${jobs.status} = 'RUNNING'`;

/** Jobs with a status, found by what holds few of them; those that SUCCEEDED are most of all, and found by anything. */
export function hasStatus(status: JobStatus): SQL {
  const has = eq(jobs.status, status);
  if (status === 'RUNNING') return isRunning;
  if (status === 'QUEUED') return sql`${jobs.id} in (select job_id from jobs_waiting) and ${has}`;
  return status === 'SUCCEEDED' ? has : sql`${jobs.failureReason} is not null and ${has}`;
}

/** What people look for: what is on its way, and what ended without a build. */
export const jobGroups = ['open', 'unsuccessful'] as const;

/** Jobs of a group, found by what holds few of them. */
export const isInGroup = (group: (typeof jobGroups)[number]): SQL =>
  group === 'open'
    ? sql`${jobs.id} in (select job_id from jobs_waiting union all select job_id from jobs_taken)
        and ${jobs.status} in ('QUEUED', 'RUNNING')`
    : sql`${jobs.failureReason} is not null and ${jobs.status} in ('FAILED', 'CANCELLED')`;

/** Puts those of the jobs into the queue that were RUNNING and have just been made QUEUED again. */
export async function backToQueue(tx: Transaction, ids: number[]): Promise<void> {
  if (ids.length === 0) return;
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

/** Looks again when others gave the job another place meanwhile. */
const mostLooks = 10;

/**
 * Takes one job out of the queue; false when it waits no longer. Whoever is taking or moving it is waited for: a row that was
 * moved is another one, which a statement that began before does not see, so it is looked for again.
 */
export async function leaveQueue(tx: Transaction, id: number): Promise<boolean> {
  for (let look = 0; look < mostLooks; look += 1) {
    // By its priority as well, which is what the index of the queue begins with.
    const [left] = await stopWaiting(
      tx,
      sql`${eq(jobsWaiting.jobId, id)} and ${jobsWaiting.priority} = (select priority from jobs where id = ${id})`,
    );
    if (left !== undefined) return true;
    const [job] = await tx.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, id));
    if (job?.status !== 'QUEUED') return false;
  }
  throw new StarlingError('UNAVAILABLE', `Job ${id} is being moved in the queue by others.`, { fix: 'Ask again.' });
}

/** Forgets that jobs were taken that have ended, which they do once. Returns how many rows went. */
export async function forgetEnded(database: Database): Promise<number> {
  const gone = await database.execute(sql`
    delete from jobs_taken using jobs
    where jobs.id = jobs_taken.job_id and jobs.status not in ('QUEUED', 'RUNNING')`);
  return gone.count;
}
