import { and, eq, inArray, sql } from 'drizzle-orm';
import { jobs, jobsWaiting } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { backToQueue, isRunning, stopWaiting } from './open-jobs.ts';

export interface StaleJob {
  id: number;
  status: 'QUEUED' | 'FAILED';
}

/** Puts jobs back whose worker has been silent for `staleMs`; those without attempts left become FAILED. */
export async function requeueStale(database: Database, staleMs: number): Promise<StaleJob[]> {
  const again = sql`${jobs.attempts} < ${jobs.maxAttempts}`;
  const silence = sql`'worker ' || ${jobs.worker} || ' stopped answering in attempt ' || ${jobs.attempts} || ' of ' || ${jobs.maxAttempts}`;
  return endRunning(database, {
    when: and(isRunning, sql`${jobs.lastHeartbeatAt} < now() - ${staleMs} * interval '1 millisecond'`),
    status: sql`case when ${again} then 'QUEUED' else 'FAILED' end`,
    finishedAt: sql`case when ${again} then null else now() end`,
    reason: silence,
  });
}

/** Ends jobs whose attempt is over its deadline, however lively its worker is: nothing may hang for ever. */
export async function failOverdue(database: Database): Promise<StaleJob[]> {
  return endRunning(database, {
    when: and(isRunning, sql`${jobs.startedAt} < now() - ${jobs.deadlineMs} * interval '1 millisecond'`),
    status: sql`'FAILED'`,
    finishedAt: sql`now()`,
    reason: sql`'the build was over its deadline of ' || (${jobs.deadlineMs} / 1000) || ' s'`,
  });
}

/** Ends jobs that no worker took for `maxWaitMs`: a queue without workers must show, not swallow. */
export async function failUnclaimed(database: Database, maxWaitMs: number): Promise<StaleJob[]> {
  return database.transaction(async (tx) => {
    // None that a worker is taking at this moment: it is not unclaimed.
    const waited = await stopWaiting(
      tx,
      sql`${jobsWaiting.jobId} in (
        select w.job_id from jobs_waiting w join jobs j on j.id = w.job_id
        where j.created_at < now() - ${maxWaitMs} * interval '1 millisecond'
        for update of w skip locked)`,
    );
    return end(tx, {
      when: and(inArray(jobs.id, waited), eq(jobs.status, 'QUEUED')),
      status: sql`'FAILED'`,
      finishedAt: sql`now()`,
      reason: sql`'no worker took it in time; is a worker running?'`,
    });
  });
}

type SqlValue = ReturnType<typeof sql>;
interface Ending {
  when: ReturnType<typeof and>;
  status: SqlValue;
  finishedAt: SqlValue;
  reason: SqlValue;
}

const endRunning = (database: Database, ending: Ending): Promise<StaleJob[]> =>
  database.transaction(async (tx) => {
    // Never waiting for a row that its worker is writing at this moment: it is not stale, and two that end many jobs in
    // different orders could wait for each other.
    const rows = await tx.select({ id: jobs.id }).from(jobs).where(ending.when).for('update', { skipLocked: true });
    const held = rows.map(({ id }) => id);
    const ended = await end(tx, { ...ending, when: inArray(jobs.id, held) });
    await backToQueue(
      tx,
      ended.map(({ id }) => id),
    );
    return ended;
  });

async function end(tx: Transaction, { when, status, finishedAt, reason }: Ending): Promise<StaleJob[]> {
  const rows = await tx
    .update(jobs)
    .set({
      status,
      finishedAt,
      commitKey: sql`case when ${status} = 'QUEUED' then ${jobs.commitKey} end`,
      failureReason: reason,
      worker: null,
      stage: null,
    })
    .where(when)
    .returning({ id: jobs.id, status: jobs.status });
  if (rows.length > 0) await announce(tx, 'jobs');
  return rows as StaleJob[];
}
