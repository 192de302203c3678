import { eq, sql } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import type { Transaction } from '../db/connect.ts';

/** Makes a job that this transaction has locked RUNNING for `worker`: the next attempt, with a fresh heartbeat. */
export async function setRunning(tx: Transaction, jobId: number, worker: string) {
  const [job] = await tx
    .update(jobs)
    .set({
      status: 'RUNNING',
      worker,
      stage: 'CHECKOUT',
      attempts: sql`${jobs.attempts} + 1`,
      startedAt: sql`now()`,
      lastHeartbeatAt: sql`now()`,
      failureReason: null,
    })
    .where(eq(jobs.id, jobId))
    .returning();
  return job!;
}
