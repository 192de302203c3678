import { StarlingError } from '@starling/shared/errors.ts';
import { eq } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import type { Transaction } from '../db/connect.ts';
import { createJob, type NewJob, type QueuedJob } from './create.ts';

/**
 * Queues a new job for what a FAILED or CANCELLED one was to build, with its commit and priority. Asked twice, the same
 * new job. PRECONDITION_FAILED when the job has not ended or was a success; CONFLICT when another job has its commit.
 */
export async function retryJob(
  tx: Transaction,
  job: Omit<typeof jobs.$inferSelect, 'commitKey'>,
  now: Pick<NewJob, 'requestedBy' | 'repositoryUrl' | 'binaryName' | 'maxAttempts' | 'deadlineMs' | 'workerLabels'>,
): Promise<QueuedJob> {
  if (job.status !== 'FAILED' && job.status !== 'CANCELLED') {
    const because = job.status === 'SUCCEEDED' ? 'it has succeeded' : `it is still ${job.status}`;
    throw new StarlingError('PRECONDITION_FAILED', `Job ${job.id} cannot be tried again: ${because}.`, {
      field: 'id',
      fix:
        job.status === 'SUCCEEDED'
          ? `Build the commit once more with: starling build ${job.project} --ref ${job.commitSha} --force`
          : `Wait for its end, or cancel it with: starling cancel ${job.id}`,
    });
  }
  const { project, commitSha, requestedRef, priority } = job;
  const queued = await createJob(tx, { ...now, project, commitSha, requestedRef, priority, retryOf: job.id }, false);
  if (queued.created) return queued;
  const [other] = await tx.select().from(jobs).where(eq(jobs.id, queued.id));
  if (other!.retryOf === job.id) return queued;
  throw new StarlingError('CONFLICT', `Job ${queued.id} has the commit of job ${job.id}: it is ${other!.status}.`, {
    field: 'id',
    fix: `Look at it with: starling jobs ${project}`,
  });
}
