import type { Database } from '@starling/server/db/connect.ts';

// A year of a busy company: 50 projects, 20 people, a million jobs and what came of them, 100,000 machines. Made by the
// database itself in a few statements; nothing in it is random, so a test sees the same plans every time.

export const projectCount = 50;
export const peopleCount = 20;
export const jobCount = 1_000_000;
export const deploymentCount = 400_000;
export const auditCount = 1_000_000;
export const machineCount = 100_000;
/** A project that hardly anybody uses, and a person who hardly does anything. */
export const quietProject = 'quiet';
export const quietPerson = 'newcomer';

export const bigTables = [
  'audit_log',
  'builds',
  'deployment_machines',
  'deployments',
  'job_stage_times',
  'jobs',
  'machine_projects',
  'machines',
  'replicas',
] as const;

/** Rows are spread evenly over the year that ends now. */
const moment = (number: string, of: number) =>
  `date_trunc('ms', now() - interval '365 days' * (1 - ${number}::float8 / ${of}))`;
/** The same for each number, and with nothing to do with it. */
const scattered = (number: string, among: number) => `abs(hashint8(${number}) % ${among})`;
const sha = (number: string) => `substr(md5(${number}::text) || md5((${number} + 1)::text), 1, 40)`;

const regionsAndProjects = [
  `insert into regions (name, position) select 'region-' || n, n from generate_series(0, 4) n`,
  `insert into projects (name, repository_url, default_ref, binary_name, created_by)
   select name, '/r', 'main', name, 'ada' from (
     select 'project-' || n as name from generate_series(0, ${projectCount - 1}) n union all select '${quietProject}') p`,
];

const jobsAndDeployments = [
  // Scattered, so that neither project nor person goes with the number.
  `insert into jobs (id, project, commit_sha, requested_ref, requested_by, repository_url, binary_name, status, attempts,
     max_attempts, deadline_ms, failure_reason, created_at, started_at, finished_at) overriding system value
   select n, case when n % 100000 = 6 then '${quietProject}' else 'project-' || ${scattered('n', projectCount)} end, ${sha('n')},
     'main', case when n % 200000 = 4 then '${quietPerson}' else 'person-' || ${scattered('n + 1', peopleCount)} end, '/r', 'x',
     case when n > ${jobCount} - 40 then 'QUEUED' when n > ${jobCount} - 60 then 'RUNNING' when n % 20 = 1 then 'FAILED'
       when n % 997 = 0 then 'CANCELLED' else 'SUCCEEDED' end, 1, 3, 900000,
     case when n <= ${jobCount} - 60 and (n % 20 = 1 or n % 997 = 0) then 'the recipe ended with 1' end, ${moment('n', jobCount)},
     ${moment('n', jobCount)} + interval '5 s',
     case when n > ${jobCount} - 60 then null else ${moment('n', jobCount)} + interval '3 min' end
   from generate_series(1::bigint, ${jobCount}) n`,
  `insert into jobs_waiting (job_id, project, priority, worker_labels)
   select id, project, priority, worker_labels from jobs where status = 'QUEUED'`,
  `insert into jobs_taken (job_id, project) select id, project from jobs where status = 'RUNNING'`,
  `insert into builds (id, project, commit_sha, job_id, commit_author, commit_subject, committed_at, manifest_digest,
     manifest_bytes, stream_bytes, new_bytes, chunk_count, new_chunk_count, pack_digest, pack_bytes, patch_bytes,
     file_count, created_at)
   select project || '@' || substr(commit_sha, 1, 12), project, commit_sha, id, 'Ada', 'Change something',
     created_at - interval '1 hour', '', 1, 1, 1, 1, 1, '', 1, 0, 1, finished_at
   from jobs where status = 'SUCCEEDED'`,
  `insert into job_stage_times (job_id, attempt, stage, started_at, finished_at)
   select id, 1, s.stage, started_at + place * interval '30 s', started_at + (place + 1) * interval '30 s'
   from jobs, unnest(array['CHECKOUT', 'RECIPE', 'PACK', 'UPLOAD']) with ordinality s(stage, place)
   where status = 'SUCCEEDED' and id > ${jobCount - 120_000}`,
  `insert into replicas (build_id, region, status, bytes_total, finished_at)
   select b.id, r.name, 'REPLICATED', 1, b.created_at + interval '1 min' from builds b, regions r
   where b.job_id > ${jobCount - 60_000}`,
  `insert into deployments (id, project, build_id, kind, requested_by, reason, status, salt, created_at, started_at, finished_at)
     overriding system value
   select n, b.project, b.id, case when n % 31 = 0 then 'ROLLBACK' when n % 4999 = 0 then 'ROLL_FORWARD' else 'DEPLOY' end,
     j.requested_by, '', case when n % 20 = 1 then 'FAILED' when n % 997 = 2 then 'ABORTED' when n % 211 = 5 then 'SUPERSEDED'
       else 'SUCCEEDED' end, 's', ${moment('n', deploymentCount)}, ${moment('n', deploymentCount)} + interval '1 s',
     ${moment('n', deploymentCount)} + interval '4 min'
   from generate_series(1::bigint, ${deploymentCount}) n
   join jobs j on j.id = n * (${jobCount} / ${deploymentCount}) + 4
   join builds b on b.job_id = j.id`,
  `update deployments set status = 'RUNNING', finished_at = null where id = (select max(id) from deployments)`,
];

const auditAndMachines = [
  `insert into audit_log (id, at, actor, action, project, target, details, previous_hash, hash)
   select n, ${moment('n', auditCount)}, case when n % 200000 = 4 then '${quietPerson}' else 'person-' || ${scattered('n + 1', peopleCount)} end,
     case when n % 50000 = 9 then 'account.disable' when n % 3 = 0 then 'deployment.start' else 'job.create' end,
     case when n % 10 = 0 then null when n % 100000 = 6 then '${quietProject}' else 'project-' || ${scattered('n', projectCount)} end,
     n::text, '{}', '', ''
   from generate_series(1::bigint, ${auditCount}) n`,
  `update audit_head set last_id = ${auditCount}`,
  // In one region a rack is away, and in another some failed.
  `insert into machines (id, region, labels, agent_version, address, hub, connected, last_seen_at)
   select 'region-' || n % 5 || '-' || lpad((n / 5)::text, 6, '0'), 'region-' || n % 5,
     jsonb_build_object('rack', 'r' || n / 400), '1.0.0', '10.0.0.1:1', 'hub', n % 2000 <> 11, now() + interval '1 day'
   from generate_series(0, ${machineCount - 1}) n`,
  `insert into machine_projects (machine, project, step, observed_build, desired_build, detail, sequence)
   select m.id, 'project-' || p, case when (m.number + p) % 3000 = 17 then 'FAILED' else 'COMMITTED' end,
     case when (m.number + p) % 1500 = 19 then 'project-' || p || '@0123456789ab' else 'project-' || p || '@ba9876543210' end,
     'project-' || p || '@ba9876543210', '', 1
   from (select id, row_number() over (order by id) as number from machines) m, generate_series(0, 3) p`,
];

const machinesOfDeployments = [
  `insert into deployment_machines (deployment, machine, step, detail, sequence)
   select d.id, m.id, case when number % 500 = 3 then 'FAILED' when number % 4 = 0 then 'FETCHING' else 'COMMITTED' end, '', 1
   from (select id, row_number() over (order by id) as number from machines) m,
     (select id from deployments order by id desc limit 3) d where number % 50 <> 1`,
];

/** Fills a fresh database in less than half a minute on two cores: two statements at a time, and the indexes at the end. */
export async function fillWithAMillion(database: Database): Promise<void> {
  const lanes = await Promise.all([database.$client.reserve(), database.$client.reserve()]);
  try {
    for (const lane of lanes) {
      // What is written fits, and nobody else is there: no checks, no triggers, no waiting for the disk.
      await lane.unsafe(
        `set session_replication_role = replica; set synchronous_commit = off; set statement_timeout = 0;
         set maintenance_work_mem = '256MB'; set work_mem = '256MB'; set max_parallel_maintenance_workers = 0`,
      );
    }
    /** Each lane takes the next one when it is through with one. */
    const runAll = async (todo: readonly string[]) => {
      const left = [...todo];
      const drain = async (lane: (typeof lanes)[number]) => {
        for (let next = left.shift(); next !== undefined; next = left.shift()) await lane.unsafe(next);
      };
      await Promise.all(lanes.map(drain));
    };
    const indexes = await lanes[0].unsafe<{ name: string; definition: string }[]>(
      `select indexname as name, indexdef as definition from pg_indexes
       where tablename = any($1) and not exists (select 1 from pg_constraint where conname = indexname)`,
      [[...bigTables]],
    );
    for (const statement of [...regionsAndProjects, ...indexes.map(({ name }) => `drop index "${name}"`)]) {
      await lanes[0].unsafe(statement);
    }
    const inOrder = async (lane: (typeof lanes)[number], todo: readonly string[]) => {
      for (const statement of todo) await lane.unsafe(statement);
    };
    await Promise.all([inOrder(lanes[0], jobsAndDeployments), inOrder(lanes[1], auditAndMachines)]);
    await inOrder(lanes[0], machinesOfDeployments);
    await runAll(indexes.map(({ definition }) => definition));
    await runAll([...bigTables.map((table) => `vacuum analyze ${table}`), 'analyze projects', 'analyze regions']);
  } finally {
    for (const lane of lanes) {
      await lane.unsafe('reset all').catch(() => {});
      lane.release();
    }
  }
}
