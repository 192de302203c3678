import { asc, eq } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import type { Transaction } from '../db/connect.ts';

/** Locks the oldest QUEUED job that no other worker is taking; it stays locked until the transaction ends. */
export async function takeOldestQueued(tx: Transaction) {
  const [job] = await tx
    .select()
    .from(jobs)
    .where(eq(jobs.status, 'QUEUED'))
    .orderBy(asc(jobs.id))
    .limit(1)
    .for('update', { skipLocked: true });
  return job;
}
