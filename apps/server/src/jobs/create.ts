import { and, desc, eq, inArray } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Queryable } from '../db/connect.ts';

export interface NewJob {
  project: string;
  commitSha: string;
  requestedRef: string;
  requestedBy: string;
  repositoryUrl: string;
  binaryName: string;
  maxAttempts: number;
  deadlineMs: number;
}

/**
 * Queues a job. A commit that is already built, or on its way, is not built again unless `force`: the job that has
 * it is returned instead, with `created: false`.
 */
export async function createJob(
  database: Queryable,
  job: NewJob,
  force: boolean,
): Promise<{ id: number; created: boolean }> {
  return database.transaction(async (tx) => {
    if (!force) {
      const [existing] = await tx
        .select({ id: jobs.id })
        .from(jobs)
        .where(
          and(
            eq(jobs.project, job.project),
            eq(jobs.commitSha, job.commitSha),
            inArray(jobs.status, ['QUEUED', 'RUNNING', 'SUCCEEDED']),
          ),
        )
        .orderBy(desc(jobs.id))
        .limit(1);
      if (existing) return { id: existing.id, created: false };
    }
    const [row] = await tx.insert(jobs).values(job).returning({ id: jobs.id });
    await announce(tx, 'jobs');
    return { id: row!.id, created: true };
  });
}
