import type { Attempt } from '../builder/ports.ts';
import type { Database } from '../db/connect.ts';
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
        select id from jobs
        where status = 'QUEUED' and project = ${project} and worker_labels <@ ${JSON.stringify(labels)}::text::jsonb
        order by priority desc, id
        limit (
          select least(${wanted}::int, greatest(0, coalesce((settings #>> '{builds,maxConcurrent}')::int, ${wanted}::int)
            - (select count(*) from jobs running where running.project = name and running.status = 'RUNNING')))
          from projects where name = ${project})
        for update skip locked
      )
      update jobs set status = 'RUNNING', worker = ${worker}, stage = 'CHECKOUT', attempts = attempts + 1,
        started_at = now(), last_heartbeat_at = now(), failure_reason = null
      from next where jobs.id = next.id
      returning jobs.id::float8, attempts, project, commit_sha, repository_url, binary_name,
        (extract(epoch from started_at) * 1000 + deadline_ms)::float8 as deadline_at, null as limited`;
  });
  return rows.map((row) => attemptOf(row, worker));
}
