import type { Attempt, TakeOptions } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';
import { takeLimited } from './take-limited.ts';
import { attemptOf, type TakenRow } from './taken-row.ts';

const mostJobsAtOnce = 1_000;
/** Looks again when others were quicker to the last free places of a project; then the next poll finds the job. */
const mostLooks = 5;

/**
 * Makes QUEUED jobs RUNNING for `worker`, with the next attempt number and a fresh heartbeat: the highest priority
 * first, then the oldest, none that another claim is taking. Nothing for a worker that drains or is shut out.
 *
 * One statement does it, without a transaction around it. Only a job whose project limits how many may run needs more:
 * how many run can be counted reliably only under a lock that is taken before the statement begins (`takeLimited`).
 */
export async function takeJobs(database: Database, worker: string, options: TakeOptions = {}): Promise<Attempt[]> {
  const limit = Math.min(mostJobsAtOnce, options.limit ?? 1);
  const labels = options.labels ?? {};
  const taken: Attempt[] = [];
  for (let look = 0; look < mostLooks && taken.length < limit; look++) {
    const rows = await takeUnlimited(database, worker, labels, limit - taken.length);
    const limited = new Map<string, number>();
    for (const row of rows) {
      if (row.limited === null) taken.push(attemptOf(row, worker));
      else limited.set(row.limited, (limited.get(row.limited) ?? 0) + 1);
    }
    if (limited.size === 0) break;
    for (const [project, wanted] of limited) {
      taken.push(...(await takeLimited(database, { worker, labels, project, wanted })));
    }
  }
  if (taken.length > 0) announceSoon(database, 'jobs');
  return taken;
}

/**
 * Takes the first jobs of the queue. Those of a project with a limit are left as they are, and answered with its name
 * in `limited`; those of a project that runs as many as it may are passed over.
 */
function takeUnlimited(
  database: Database,
  worker: string,
  labels: Record<string, string>,
  limit: number,
): Promise<TakenRow[]> {
  // Sent through the driver, which prepares it once for each connection: planning it costs more than running it.
  return database.$client<TakenRow[]>`
    with next as (
      select id, case when project = any (array(
          select name from projects where (settings #>> '{builds,maxConcurrent}') is not null
        )) then project end as limited
      from jobs
      where status = 'QUEUED'
        and worker_labels <@ ${JSON.stringify(labels)}::text::jsonb
        and project <> all (array(
          select name from projects
          where (settings #>> '{builds,maxConcurrent}') is not null
            and (settings #>> '{builds,maxConcurrent}')::int
              <= (select count(*) from jobs running where running.project = name and running.status = 'RUNNING')
        ))
        and not exists (select from workers where name = ${worker}::text and draining_since is not null)
        and not exists (
          select from identities where kind = 'worker' and name = ${worker}::text and revoked_at is not null)
      order by priority desc, id
      limit ${database.$client.unsafe(String(limit))}
      for update skip locked
    ), taken as (
      update jobs set status = 'RUNNING', worker = ${worker}::text, stage = 'CHECKOUT', attempts = attempts + 1,
        started_at = now(), last_heartbeat_at = now(), failure_reason = null
      where id = any (array(select id from next where limited is null))
      returning id, attempts, project, commit_sha, repository_url, binary_name, deadline_ms, started_at
    )
    select id::float8, attempts, project, commit_sha, repository_url, binary_name,
      (extract(epoch from started_at) * 1000 + deadline_ms)::float8 as deadline_at, null as limited
    from taken
    union all
    select null, null, null, null, null, null, null, limited from next where limited is not null`;
}
