import type { Attempt } from '../builder/ports.ts';
import type { Database } from '../db/connect.ts';
import { claimSteps, runningOf, takenRows } from './take-steps.ts';
import { attemptOf, type TakenRow } from './taken-row.ts';

export interface LimitedTake {
  worker: string;
  labels: Record<string, string>;
  project: string;
  /** How many to take at most. */
  wanted: number;
}

/**
 * Takes jobs of a project that limits how many of its builds may run. Whoever takes one holds the project's advisory
 * lock until its commit, and the statement that counts begins after the lock was given, so it sees every job that was
 * taken before. Jobs only leave RUNNING without the lock, which makes the count too high for a moment, never too low.
 */
export async function takeLimited(database: Database, take: LimitedTake): Promise<Attempt[]> {
  const { worker, labels, project, wanted } = take;
  const rows = await database.$client.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtext('starling.builds'), hashtext(${project}))`;
    return tx<TakenRow[]>`
      with next as (
        select ctid as place, null::text as limited from jobs_waiting
        where project = ${project} and worker_labels <@ ${JSON.stringify(labels)}::text::jsonb
        order by priority desc, job_id
        limit (
          select least(${wanted}::int, greatest(0, coalesce(max_builds, ${wanted}::int)
            - ${runningOf(tx)}))
          from projects where name = ${project})
        for update skip locked
      ), ${claimSteps(tx, worker)} ${takenRows(tx)}`;
  });
  return rows.map((row) => attemptOf(row, worker));
}
