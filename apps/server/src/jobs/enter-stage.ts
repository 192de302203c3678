import type { JobStage } from '@starling/shared/words.ts';
import { and, eq, isNull, ne, sql } from 'drizzle-orm';
import { jobStageTimes, jobs } from '../../../../drizzle/schema/index.ts';
import type { Attempt } from '../builder/ports.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import { heldBy } from './held-by.ts';

/** Notes that the attempt has gone on to `stage`, which ends the stage before. */
export async function enterStage(database: Database, attempt: Attempt, stage: JobStage): Promise<void> {
  await database.transaction(async (tx) => {
    const rows = await tx.update(jobs).set({ stage }).where(heldBy(attempt)).returning({ id: jobs.id });
    if (rows.length === 0) return;
    const ofAttempt = and(eq(jobStageTimes.jobId, attempt.jobId), eq(jobStageTimes.attempt, attempt.attempt));
    await tx
      .update(jobStageTimes)
      .set({ finishedAt: sql`now()` })
      .where(and(ofAttempt, isNull(jobStageTimes.finishedAt), ne(jobStageTimes.stage, stage)));
    await tx
      .insert(jobStageTimes)
      .values({ jobId: attempt.jobId, attempt: attempt.attempt, stage, startedAt: sql`now()` })
      .onConflictDoNothing();
    await announce(tx, 'jobs');
  });
}
