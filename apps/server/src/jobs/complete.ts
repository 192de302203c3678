import { eq, sql } from 'drizzle-orm';
import { builds, jobStageTimes, jobs, regions, replicas } from '../../../../drizzle/schema/index.ts';
import type { Attempt, FinishedBuild } from '../builder/ports.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import { heldBy } from './held-by.ts';

/**
 * Ends a job well: job, build and a PENDING replica for every region, in one transaction. False, and nothing
 * written, when the attempt has been taken away meanwhile.
 */
export async function completeJob(database: Database, attempt: Attempt, build: FinishedBuild): Promise<boolean> {
  return database.transaction(async (tx) => {
    const [job] = await tx
      .update(jobs)
      .set({ status: 'SUCCEEDED', stage: null, buildId: build.buildId, finishedAt: sql`now()` })
      .where(heldBy(attempt))
      .returning();
    if (!job) return false;
    const { buildId, ...columns } = build;
    await tx
      .insert(builds)
      .values({ id: buildId, project: job.project, commitSha: job.commitSha, jobId: job.id, ...columns });
    const everywhere = await tx.select({ name: regions.name }).from(regions);
    if (everywhere.length > 0) {
      const bytesTotal = build.packBytes + build.manifestBytes;
      await tx.insert(replicas).values(everywhere.map(({ name }) => ({ buildId, region: name, bytesTotal })));
    }
    await tx
      .update(jobStageTimes)
      .set({ finishedAt: sql`coalesce(${jobStageTimes.finishedAt}, now())` })
      .where(eq(jobStageTimes.jobId, job.id));
    await announce(tx, 'jobs');
    await announce(tx, 'replicas');
    return true;
  });
}
