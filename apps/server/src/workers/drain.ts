import { eq, sql } from 'drizzle-orm';
import { workers } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Transaction } from '../db/connect.ts';

/**
 * Lets a worker take no new job; what it builds it finishes, and it stays until it is resumed or stopped. Says whether
 * that changed anything, and undefined when there is no such worker.
 */
export async function drainWorker(tx: Transaction, name: string, by: string): Promise<boolean | undefined> {
  const row = await lockWorker(tx, name);
  if (!row) return undefined;
  if (row.drainedBy !== null) return false;
  await tx.update(workers).set({ drainingSince: sql`now()`, drainedBy: by }).where(eq(workers.name, name));
  return true;
}

/** Lets a drained worker take jobs again. Answers as `drainWorker` does. */
export async function resumeWorker(tx: Transaction, name: string): Promise<boolean | undefined> {
  const row = await lockWorker(tx, name);
  if (!row) return undefined;
  if (row.drainedBy === null) return false;
  await tx.update(workers).set({ drainingSince: null, drainedBy: null }).where(eq(workers.name, name));
  // It may have slept through jobs that were announced while it was drained.
  await announce(tx, 'jobs');
  return true;
}

async function lockWorker(tx: Transaction, name: string) {
  const [row] = await tx
    .select({ drainedBy: workers.drainedBy })
    .from(workers)
    .where(eq(workers.name, name))
    .for('update');
  return row;
}
