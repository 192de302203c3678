import { eq, sql } from 'drizzle-orm';
import { jobStageTimes, jobs } from '../../../../drizzle/schema/index.ts';
import type { Attempt } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';
import { heldBy } from './held-by.ts';
import { backToQueue } from './open-jobs.ts';

/**
 * Ends an attempt badly: the job is FAILED, or QUEUED again when `retry` and it has attempts left. False when the
 * attempt has been taken away meanwhile.
 */
export async function failAttempt(
  database: Database,
  attempt: Attempt,
  reason: string,
  retry: boolean,
): Promise<boolean> {
  const ended = await database.transaction(async (tx) => {
    const again = sql`${retry} and ${jobs.attempts} < ${jobs.maxAttempts}`;
    const rows = await tx
      .update(jobs)
      .set({
        status: sql`case when ${again} then 'QUEUED' else 'FAILED' end`,
        finishedAt: sql`case when ${again} then null else now() end`,
        commitKey: sql`case when ${again} then ${jobs.commitKey} end`,
        failureReason: reason.slice(0, 4_000),
        worker: null,
        stage: null,
      })
      .where(heldBy(attempt))
      .returning({ id: jobs.id });
    if (rows.length === 0) return false;
    await backToQueue(tx, [attempt.jobId]);
    await tx
      .update(jobStageTimes)
      .set({ finishedAt: sql`coalesce(${jobStageTimes.finishedAt}, now())` })
      .where(eq(jobStageTimes.jobId, attempt.jobId));
    return true;
  });
  if (ended) announceSoon(database, 'jobs');
  return ended;
}
