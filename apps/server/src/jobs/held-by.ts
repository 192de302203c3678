import { and, eq } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import type { Attempt } from '../builder/ports.ts';

/** The condition under which an attempt may still write: its job is RUNNING, for this worker, in this attempt. */
export function heldBy(attempt: Pick<Attempt, 'jobId' | 'worker' | 'attempt'>) {
  return and(
    eq(jobs.id, attempt.jobId),
    eq(jobs.status, 'RUNNING'),
    eq(jobs.worker, attempt.worker),
    eq(jobs.attempts, attempt.attempt),
  );
}
