import { and, asc, desc, eq, inArray, sql } from 'drizzle-orm';
import { jobs, jobsWaiting } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';

export interface WaitingPage {
  /** The last one of the page before. */
  after?: { priority: number; id: number } | undefined;
  limit: number;
}

/** The jobs that wait, first those that are taken first; of these projects, or of all. */
export function waitingJobs(where: Queryable, visible: readonly string[] | undefined, { after, limit }: WaitingPage) {
  return where
    .select({
      id: jobs.id,
      project: jobs.project,
      commitSha: jobs.commitSha,
      requestedRef: jobs.requestedRef,
      requestedBy: jobs.requestedBy,
      priority: jobsWaiting.priority,
      workerLabels: jobsWaiting.workerLabels,
      attempts: jobs.attempts,
      maxAttempts: jobs.maxAttempts,
      createdAt: jobs.createdAt,
    })
    .from(jobsWaiting)
    .innerJoin(jobs, eq(jobs.id, jobsWaiting.jobId))
    .where(
      and(
        visible === undefined
          ? undefined
          : visible.length > 0
            ? inArray(jobsWaiting.project, [...visible])
            : sql`false`,
        // Lower priorities, and of the same one what came later: the order of the index.
        after && sql`(-${jobsWaiting.priority}, ${jobsWaiting.jobId}) > (${-after.priority}, ${after.id})`,
      ),
    )
    .orderBy(desc(jobsWaiting.priority), asc(jobsWaiting.jobId))
    .limit(limit);
}
