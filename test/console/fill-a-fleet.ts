import type { Database } from '@starling/server/db/connect.ts';

export const machineCount = 100_000;
export const buildCount = 50_000;
const deploymentCount = 20_000;
const moment = (number: string, of: number) => `now() - interval '365 days' * (1 - ${number}::float8 / ${of})`;
const sha = `substr(md5(n::text) || md5((n + 1)::text), 1, 40)`;

const statements = [
  `insert into regions (name, position) select 'region-' || n, n from generate_series(0, 6) n`,
  `insert into projects (name, repository_url, default_ref, binary_name, created_by)
   select 'project-' || n, '/r', 'main', 'x', 'ada' from generate_series(0, 29) n`,
  `insert into jobs (id, project, commit_sha, requested_ref, requested_by, repository_url, binary_name, status, attempts, max_attempts,
     deadline_ms, build_id, created_at, started_at, finished_at) overriding system value
   select n, 'project-' || n % 30, ${sha}, 'main', 'person-' || n % 20, '/r', 'x', 'SUCCEEDED', 1, 3, 900000,
     'project-' || n % 30 || '@' || substr(md5(n::text), 1, 12), ${moment('n', buildCount)}, ${moment('n', buildCount)} + interval '5 s',
     ${moment('n', buildCount)} + interval '3 min' from generate_series(1, ${buildCount}) n`,
  `insert into builds (id, project, commit_sha, job_id, commit_author, commit_subject, committed_at, manifest_digest, manifest_bytes,
     stream_bytes, new_bytes, chunk_count, new_chunk_count, pack_bytes, patch_bytes, file_count, created_at)
   select build_id, project, commit_sha, id, 'Ada', 'Change number ' || id, created_at - interval '1 hour', '', 1, 1, 1, 1, 1, 1, 0, 1,
     finished_at from jobs`,
  `insert into replicas (build_id, region, status, bytes_total, finished_at)
   select b.id, r.name, 'REPLICATED', 1, b.created_at from builds b, regions r where b.job_id > ${buildCount - 5_000}`,
  `insert into deployments (id, project, build_id, kind, requested_by, reason, status, outcome, salt, created_at, started_at, finished_at)
     overriding system value
   select n, project, b.id, 'DEPLOY', 'person-' || n % 20, 'the weekly release', case when n % 20 = 1 then 'FAILED' else 'SUCCEEDED' end,
     'it ended', 's', ${moment('n', deploymentCount)}, ${moment('n', deploymentCount)}, ${moment('n', deploymentCount)} + interval '4 min'
   from generate_series(1, ${deploymentCount}) n join builds b on b.job_id = n * 2`,
  `insert into audit_log (id, at, actor, action, project, target, details, previous_hash, hash)
   select n, ${moment('n', 100_000)}, 'person-' || n % 20, 'deployment.start', 'project-' || n % 30, n::text, '{}', '', ''
   from generate_series(1, 100000) n`,
  `update audit_head set last_id = 100000`,
  `insert into machines (id, region, labels, agent_version, address, hub, connected, last_seen_at)
   select 'region-' || n % 7 || '-' || lpad((n / 7)::text, 6, '0'), 'region-' || n % 7, jsonb_build_object('rack', 'r' || n / 400), '1.4.0',
     '10.0.0.1:1', 'hub-' || n % 7, n % 2000 <> 11, now() + interval '1 day' from generate_series(0, ${machineCount - 1}) n`,
  `insert into machine_projects (machine, project, step, observed_build, desired_build, detail, sequence)
   select id, 'project-0', case when substr(id, 10)::int % 3000 = 17 then 'FAILED' else 'COMMITTED' end, 'project-0@0123456789ab',
     'project-0@0123456789ab', '', 1 from machines`,
  `insert into identities (kind, name, region) select 'agent', id, region from machines`,
  'vacuum analyze',
];

/** A fleet of 100,000 machines and a year of builds, made by the database itself in seconds. */
export async function fillAFleet(database: Database): Promise<void> {
  const lane = await database.$client.reserve();
  try {
    await lane.unsafe(
      `set session_replication_role = replica; set synchronous_commit = off; set statement_timeout = 0`,
    );
    for (const statement of statements) await lane.unsafe(statement);
  } finally {
    await lane.unsafe('reset all').catch(() => {});
    lane.release();
  }
}
