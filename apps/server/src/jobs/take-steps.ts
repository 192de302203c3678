import type postgres from 'postgres';

export interface Asked {
  worker: string;
  labels: Record<string, string>;
  limit: number;
}

export type Client = postgres.Sql | postgres.TransactionSql;

/**
 * The steps of a statement that takes the first jobs of the queue, for its `with`. Those of a project with a limit are left
 * as they are, and answered with its name in `limited`; those of a project that runs as many as it may are passed over.
 *
 * What a job asks for is within a `case` so that the planner does not guess how few ask for it: taking nearly all for
 * unfit, it would read and sort the whole queue rather than follow its order until there are enough.
 *
 * Rows of the queue are never changed, only removed, so their place (`ctid`) names them safely once they are locked. The
 * status is asked again because a job may end while its row in the queue is waited for.
 */
export function takeSteps(client: Client, { worker, labels, limit }: Asked) {
  return client`
    next as (
      select ctid as place, case when project = any (array(
          select name from projects where max_builds is not null
        )) then project end as limited
      from jobs_waiting
      where not exists (select from workers where name = ${worker}::text and draining_since is not null)
        and not exists (
          select from identities where kind = 'worker' and name = ${worker}::text and revoked_at is not null)
        and case when worker_labels <@ ${JSON.stringify(labels)}::text::jsonb then project <> all (array(
          select name from projects
          where max_builds <= ${runningOf(client)}
        )) else false end
      order by priority desc, job_id
      limit ${client.unsafe(String(limit))}
      for update skip locked
    ), ${claimSteps(client, worker)}`;
}

/** The steps that follow `next (place, limited)`: what it found without a limit leaves the queue and runs. */
export const claimSteps = (client: Client, worker: string) => client`
    chosen as (
      delete from jobs_waiting where ctid = any (array(select place from next where limited is null)) returning job_id
    ), taken as (
      update jobs set status = 'RUNNING', worker = ${worker}::text, stage = 'CHECKOUT', attempts = attempts + 1,
        started_at = now(), last_heartbeat_at = now(), failure_reason = null
      where id = any (array(select job_id from chosen)) and status = 'QUEUED'
      returning id, attempts, project, commit_sha, repository_url, binary_name, deadline_ms, started_at
    ), entered as (
      insert into jobs_taken (job_id, project) select id, project from taken
    )`;

/** The rest of a statement with `claimSteps`: what it took, and the limits that it met. */
export const takenRows = (client: Client) => client`
    select id::float8, attempts, project, commit_sha, repository_url, binary_name,
      (extract(epoch from started_at) * 1000 + deadline_ms)::float8 as deadline_at, null as limited
    from taken
    union all
    select null, null, null, null, null, null, null, limited from next where limited is not null`;

/** How many jobs of the project `name` run. */
export const runningOf = (client: Client) => client`(
      select count(distinct jobs.id) from jobs_taken join jobs on jobs.id = jobs_taken.job_id
      where jobs_taken.project = name and jobs.status = 'RUNNING')`;
