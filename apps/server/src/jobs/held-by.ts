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

/** The ids of the jobs by attempt number: nearly always one group, as nearly all are in their first attempt. */
export function groupByAttempt(attempts: readonly Pick<Attempt, 'jobId' | 'attempt'>[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const { jobId, attempt } of attempts) {
    const ids = groups.get(attempt);
    if (ids) ids.push(jobId);
    else groups.set(attempt, [jobId]);
  }
  return groups;
}
