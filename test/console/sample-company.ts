import { grantToken } from '@starling/server/accounts/tokens.ts';
import type { VersionKeySource } from '@starling/server/api/region-keys.ts';
import type { Database } from '@starling/server/db/connect.ts';
import { hashOfLink } from '@starling/shared/audit-chain.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { sql } from 'drizzle-orm';
import { auditHead, auditLog } from '../../drizzle/schema/index.ts';

// A company that has released for six weeks, made by the database in a few statements: for pages that show what came of it.
// Nothing in it is random.

export const adminToken = 'ada-token-of-the-sample-company';
const regions = ['eu-west', 'us-east', 'ap-south'];
const hour = `interval '1 hour'`;
const sha = (number: string) => `substr(md5((${number})::text) || md5((${number})::text || 'x'), 1, 40)`;
const pick = (of: string, ...choices: string[]) =>
  `(array[${choices.map((choice) => `'${choice.replaceAll("'", "''")}'`).join(', ')}])[1 + (${of}) % ${choices.length}]`;
const subject = pick(
  'n / 3',
  'Greet more warmly',
  'Retry what the gateway refuses',
  'Show prices with their currency',
  'Cache the catalogue for a minute',
  'Do not log addresses',
  'Answer health checks while the index loads',
  "Take the customer's language from the account",
);
const person = pick('n', 'ada', 'olga', 'eve', 'webhook:github');
const project = pick('n', 'shop', 'search', 'ledger');
/** 240 jobs, six weeks, denser towards now; the newest ten minutes ago. */
const asked = `now() - interval '10 minutes' - (240 - n) * ${hour} * (4.2 - (n % 5) * 0.4)`;

/** What a recipe writes, colours included. */
const logOfTheRunningJob = `E'${[
  'attempt 1 of job 248, by worker-1',
  'checkout of https://git.example.org/acme/shop.git',
  '  by Grace Hopper: Take the customer’s language from the account',
  '  checked out in 1.2 s, fetched in 4.8 s',
  'running: make release',
  '\\x1b[36m[1/4]\\x1b[0m generate  \\x1b[32mdone\\x1b[0m in 3.1 s',
  '\\x1b[36m[2/4]\\x1b[0m compile   184 units',
  '  \\x1b[33mwarning\\x1b[0m: till/receipt.c:214: the currency is converted twice',
  '\\x1b[36m[2/4]\\x1b[0m compile   \\x1b[32mdone\\x1b[0m in 1 min 14 s',
  '\\x1b[36m[3/4]\\x1b[0m link      shop, 84.2 MB',
  '\\x1b[36m[4/4]\\x1b[0m test      1,204 of 3,118',
].join('\\n')}\\n'`;

const statements = [
  `insert into regions (name, position) values ${regions.map((name, place) => `('${name}', ${place})`).join(', ')}`,
  `insert into projects (name, repository_url, default_ref, binary_name, created_by, settings) values
     ('shop', 'https://git.example.org/acme/shop.git', 'main', 'shop', 'ada', '{"approvals": {"needed": 1}}'),
     ('search', 'https://git.example.org/acme/search.git', 'main', 'search', 'ada', '{}'),
     ('ledger', 'https://git.example.org/acme/ledger.git', 'main', 'ledger', 'ada', '{"approvals": {"needed": 2}}')`,
  `insert into jobs (project, commit_sha, requested_ref, requested_by, repository_url, binary_name, status, stage, attempts,
     max_attempts, deadline_ms, worker, failure_reason, created_at, started_at, finished_at)
   select ${project}, ${sha('n')}, 'main', ${person}, '/r', 'x', case when n % 13 = 5 then 'FAILED' else 'SUCCEEDED' end,
     case when n % 13 = 5 then 'RECIPE' else 'UPLOAD' end, 1, 3, 900000, 'worker-' || n % 3 + 1,
     case when n % 13 = 5 then 'the recipe ended with exit code 2' end, ${asked}, ${asked} + interval '6 s',
     ${asked} + (80 + n % 7 * 25) * interval '1 s'
   from generate_series(1, 240) n`,
  `insert into builds (id, project, commit_sha, job_id, commit_author, commit_subject, committed_at, manifest_digest, manifest_bytes,
     stream_bytes, new_bytes, chunk_count, new_chunk_count, pack_digest, pack_bytes, patch_bytes, file_count, created_at)
   select project || '@' || substr(commit_sha, 1, 12), project, commit_sha, id, 'Grace Hopper <grace@example.org>',
     (select ${subject} from (select id::int as n) s), created_at - (id % 9 + 1) * interval '20 min', md5(commit_sha) || md5(commit_sha),
     48123, 84000000 + id * 9500, 9100000 + id % 7 * 410000, 1312, 140 + id % 7 * 6, md5(commit_sha) || md5(commit_sha),
     5400000 + id % 7 * 210000, 1900000, 212, finished_at
   from jobs where status = 'SUCCEEDED'`,
  `update jobs set build_id = b.id from builds b where b.job_id = jobs.id`,
  `insert into job_stage_times (job_id, attempt, stage, started_at, finished_at)
   select id, 1, s.stage, started_at + (finished_at - started_at) * begins, started_at + (finished_at - started_at) * ends
   from jobs, (values ('CHECKOUT', 0, 0.08), ('RECIPE', 0.08, 0.74), ('PACK', 0.74, 0.88), ('UPLOAD', 0.88, 1)) s(stage, begins, ends)
   where status = 'SUCCEEDED'`,
  `insert into replicas (build_id, region, status, bytes_done, bytes_total, started_at, finished_at)
   select b.id, r.name, 'REPLICATED', pack_bytes, pack_bytes, b.created_at, b.created_at + (40 + r.position * 25) * interval '1 s'
   from builds b, regions r`,
  `update replicas set status = 'COPYING', bytes_done = bytes_total * 0.83, finished_at = null, started_at = now() - interval '20 s'
   where region = 'us-east' and build_id = (select id from builds order by created_at desc limit 1)`,
  `insert into deployments (project, build_id, kind, previous_build_id, requested_by, reason, status, outcome, salt,
     created_at, started_at, finished_at)
   select project, id, case when n % 17 = 0 then 'ROLLBACK' else 'DEPLOY' end, before, ${person},
     ${pick('n', 'the weekly release', '', 'asked for by support', 'a fix for the checkout')},
     case when n % 11 = 4 then 'FAILED' when n % 23 = 7 then 'ABORTED' else 'SUCCEEDED' end,
     case when n % 11 = 4 then '3 of 12 machines that answered failed' when n % 23 = 7 then 'aborted by olga: the wrong build'
       else '12 machines run it' end, 's', at, at + interval '2 s', at + (90 + n % 9 * 40) * interval '1 s'
   from (select *, row_number() over (order by created_at)::int as n, lag(id) over (partition by project order by created_at) as before,
     created_at + interval '7 min' as at from builds where job_id % 4 > 0) b
   where at < now() - interval '20 min'`,
  `update deployments set forecast = jsonb_build_object('totalMs', round(took * (80 + id % 7 * 6) / 100), 'machines', 12, 'bytes', 204800000,
     'hubBytes', 17000000, 'waves', '[]'::jsonb, 'regions', '[]'::jsonb, 'bases', '[]'::jsonb, 'assumptions', '[]'::jsonb),
     measured = jsonb_build_object('totalMs', round(took), 'sources', null, 'installMs', null, 'regions', '[]'::jsonb)
   from (select id as of, extract(epoch from finished_at - started_at) * 1000 as took from deployments) t
   where t.of = id and status = 'SUCCEEDED'`,
  `insert into deployments (project, build_id, kind, previous_build_id, requested_by, reason, status, salt, created_at)
   select project, id, 'DEPLOY', null, by, why, 'WAITING', 's', now() - waited
   from (values ('shop', 'olga', 'the winter sale', ${hour} * 2), ('ledger', 'eve', 'rounding, as the auditors asked', interval '25 min'),
     ('search', 'ada', 'a faster index', interval '3 min')) w(of, by, why, waited),
     lateral (select id, project from builds where builds.project = w.of order by created_at desc limit 1) b`,
  `insert into deployment_gates (deployment, gate, status, detail)
   select id, 'approvals', 'WAITING', case project when 'ledger' then '1 of 2 approvals by olga' else '0 of 1 approvals' end
   from deployments where status = 'WAITING' and project <> 'search'`,
  `insert into deployment_gates (deployment, gate, status, detail)
   select id, 'freeze', 'WAITING', 'freeze 1 (stocktaking) holds until it is lifted' from deployments
   where status = 'WAITING' and project = 'search'`,
  `insert into approvals (deployment, approver, decision, comment)
   select id, 'olga', 'APPROVED', 'read it, fine' from deployments where status = 'WAITING' and project = 'ledger'`,
  `insert into freeze_windows (project, reason, starts_at, weekly, created_by) values
     ('search', 'stocktaking', now() - interval '1 day', null, 'ada'),
     (null, 'no releases over the weekend', now(), '{"days": ["fri", "sat"], "from": "16:00", "to": "08:00", "timeZone": "Europe/Berlin"}', 'ada')`,
  `insert into machines (id, region, labels, agent_version, address, hub, connected, last_seen_at)
   select r.name || '-' || n, r.name, jsonb_build_object('rack', 'r' || n % 3), '1.4.0', '10.0.0.' || n || ':7000',
     'hub-' || r.name || '-' || 1 + n % 2, not (r.name = 'ap-south' and n = 7), now() + interval '1 day'
   from regions r, generate_series(1, 12) n`,
  `insert into machine_projects (machine, project, step, observed_build, desired_build, detail, sequence)
   select m.id, p.name, case when m.id = 'us-east-4' and p.name = 'ledger' then 'FAILED' else 'COMMITTED' end, b.id, b.id,
     case when m.id = 'us-east-4' and p.name = 'ledger' then 'the health check said 503 for five minutes' else '' end, 1
   from machines m, projects p, lateral (select build_id as id from deployments d
     where d.project = p.name and d.status = 'SUCCEEDED' order by d.id desc limit 1) b`,
  // A rollout that halted itself in its second wave, and a build that a rollback went away from.
  `insert into deployments (project, build_id, kind, previous_build_id, requested_by, reason, status, salt, plan, wave, reach, wave_began_at,
     paused_at, paused_by, pause_reason, created_at, started_at)
   select 'search', id, 'DEPLOY', (select build_id from deployments where project = 'search' and status = 'SUCCEEDED' order by id desc limit 1),
     'olga', 'a smaller index', 'RUNNING', 's',
     '{"waves": [{"fraction": 0, "labels": {"rack": "r0"}, "regions": null, "bakeMs": 600000},
       {"fraction": 0.1, "labels": null, "regions": null, "bakeMs": 600000}, {"fraction": 1, "labels": null, "regions": null, "bakeMs": 0}],
       "successThreshold": 0.95, "errorThreshold": 0.02, "errorCap": 50, "minimumReported": 20, "progressDeadlineMs": 600000, "autoRevert": false}',
     2, '{"eu-west": {"fraction": 0.1, "selectors": [{"rack": "r0"}]}, "us-east": {"fraction": 0.1, "selectors": [{"rack": "r0"}]},
       "ap-south": {"fraction": 0.1, "selectors": [{"rack": "r0"}]}}', now() - interval '14 min', now() - interval '4 min', 'starling',
     '2 of 15 machines that answered failed', now() - interval '31 min', now() - interval '31 min'
   from builds where project = 'search' order by created_at desc offset 1 limit 1`,
  `insert into deployment_machines (deployment, machine, step, detail, sequence, bytes_done, bytes_total, started_at, updated_at)
   select d.id, m.id, case when m.id in ('us-east-3', 'eu-west-9') then 'FAILED' else 'COMMITTED' end,
     case when m.id in ('us-east-3', 'eu-west-9') then 'the health check said 503 for five minutes' else '' end, 1, 4200000, 4200000,
     now() - interval '30 min', now() - length(m.id) * interval '1 min'
   from deployments d, machines m where d.status = 'RUNNING' and m.labels ->> 'rack' = 'r0'`,
  `insert into quarantines (project, build_id, deployment, reason, created_by)
   select project, id, null, 'it lost orders of guests', 'olga' from builds where project = 'shop' order by created_at desc offset 2 limit 1`,
  `insert into workers (name, labels, host, version, last_seen_at, draining_since, drained_by) values
     ('worker-1', '{"os": "linux", "arch": "x64"}', 'build-1.example.org /var/lib/starling', '1.4.0', now() + interval '1 day', null, null),
     ('worker-2', '{"os": "linux", "arch": "x64"}', 'build-2.example.org /var/lib/starling', '1.4.0', now() + interval '1 day', null, null),
     ('worker-3', '{"os": "linux", "arch": "arm64"}', 'build-3.example.org /var/lib/starling', '1.4.0', now() + interval '1 day', now() - interval '12 min', 'olga'),
     ('worker-4', '{"os": "linux", "gpu": "a100"}', 'build-4.example.org /var/lib/starling', '1.3.2', now() - interval '9 min', null, null)`,
  `with next as (
     insert into jobs (project, commit_sha, requested_ref, requested_by, priority, worker_labels, repository_url, binary_name, status,
       attempts, max_attempts, deadline_ms, created_at)
     select ${project}, ${sha('n + 1000')}, ${pick('n', 'main', 'release/7', 'main')}, ${person}, case when n = 4 then 10 else 0 end,
       case when n = 6 then '{"gpu": "h100"}' else '{}' end::jsonb, '/r', 'x', 'QUEUED', 0, 3, 900000, now() - n * interval '70 s'
     from generate_series(1, 7) n returning *)
   insert into jobs_waiting (job_id, project, priority, worker_labels) select id, project, priority, worker_labels from next`,
  `with running as (
     insert into jobs (project, commit_sha, requested_ref, requested_by, repository_url, binary_name, status, stage, attempts, max_attempts,
       deadline_ms, worker, created_at, started_at, last_heartbeat_at)
     values ('shop', ${sha('5000')}, 'main', 'olga', '/r', 'x', 'RUNNING', 'RECIPE', 1, 3, 900000, 'worker-1', now() - interval '3 min',
       now() - interval '2 min', now()) returning id, project, started_at),
   staged as (insert into job_stage_times (job_id, attempt, stage, started_at) select id, 1, 'RECIPE', started_at from running)
   insert into jobs_taken (job_id, project) select id, project from running`,
  `insert into job_stage_times (job_id, attempt, stage, started_at, finished_at)
   select id, 1, 'CHECKOUT', started_at - interval '6 s', started_at from jobs where status = 'RUNNING'`,
  `insert into job_log_pieces (job_id, attempt, sequence, text)
   select id, 1, 0, ${logOfTheRunningJob} from jobs where status = 'RUNNING'`,
  `insert into identities (kind, name, region, enrolled_at)
   select 'agent', id, region, now() - interval '40 days' from machines union all
   select 'hub', 'hub-' || name || '-' || n, name, now() - interval '42 days' from regions, generate_series(1, 2) n union all
   select 'worker', name, null, now() - interval '42 days' from workers`,
  `update identities set revoked_at = now() - interval '3 days', revoked_by = 'ada' where name = 'ap-south-12'`,
  `insert into leaderships (loop, epoch, leader, since, renewed_at)
   select loop, 3, 'control-' || 1 + place % 2, now() - interval '9 days', now() + interval '1 day'
   from unnest(array['alerts', 'gatekeeper', 'monitor', 'rollouts', 'synchronizer']) with ordinality l(loop, place)`,
  `insert into alert_channels (name, target, kinds, created_by) values
     ('on-call', '{"type": "webhook", "url": "https://alerts.example.org/hook/42", "secret": "0123456789abcdef"}', '["deployment.failed", "region.silent"]', 'ada'),
     ('releases', '{"type": "email", "to": ["releases@example.org"]}', '["deployment.finished", "deployment.waiting"]', 'ada')`,
  `insert into alerts (kind, key, project, title, text, path, raised_at)
   select 'deployment.failed', 'deployment.failed:' || id, project, 'Deployment ' || id || ' of ' || project || ' failed', outcome,
     '/deployments/' || id, finished_at from deployments where status = 'FAILED'`,
  `insert into alert_deliveries (alert, channel, status, attempts, last_error, delivered_at)
   select id, 'on-call', case when id % 5 = 0 then 'DEAD' else 'DELIVERED' end, case when id % 5 = 0 then 8 else 1 end,
     case when id % 5 = 0 then 'the address answered with 503' end, raised_at from alerts`,
  `insert into webhook_deliveries (source, delivery_id, event, received_at, outcome, jobs)
   select 'github/shop', 'd-' || id, 'push', created_at, 'queued job ' || id, jsonb_build_array(id) from jobs
   where project = 'shop' order by id desc limit 12`,
  'analyze',
];

/** Fills a fresh database with it. Who may sign in: ada (everything), olga (deployer), eve (approver). */
export async function fillWithACompany(database: Database): Promise<void> {
  for (const statement of statements) await database.$client.unsafe(statement);
  await grantToken(database, 'ada', 'admin', adminToken);
  await grantToken(database, 'olga', 'deployer', 'olga-token-of-the-sample-company');
  await grantToken(database, 'eve', 'approver', 'eve-token-of-the-sample-company');
  await addAudit(database);
}

/** A row for everything that was done, linked as the server links them. */
async function addAudit(database: Database): Promise<void> {
  const done = (await database.execute(sql`
    select * from (
      select created_at as at, requested_by as actor, 'job.create' as action, project, id::text as target,
        jsonb_build_object('commitSha', commit_sha, 'requestedRef', requested_ref) as details from jobs
      union all select created_at, requested_by, 'deployment.start', project, id::text,
        jsonb_build_object('build', build_id, 'kind', kind, 'reason', reason) from deployments
      union all select enrolled_at, 'ada', 'identity.enrol', null, kind || '/' || name, '{}' from identities where kind <> 'agent'
    ) e order by at`)) as unknown as {
    at: string | Date;
    actor: string;
    action: string;
    project: string | null;
    target: string;
    details: Record<string, unknown>;
  }[];
  let previousHash = '';
  const rows = [...done].map((row, index) => {
    const link = { ...row, id: index + 1, at: new Date(row.at).toISOString(), requestId: null, previousHash };
    previousHash = hashOfLink(link);
    return { ...link, at: new Date(link.at), hash: previousHash };
  });
  await database.insert(auditLog).values(rows);
  await database.update(auditHead).set({ lastId: rows.length, lastHash: previousHash });
}

/** Its version keys: each project's last good build, everywhere; one region's key store is away. */
export function keysOfTheCompany(database: Database): VersionKeySource {
  return {
    list: async (region) => {
      if (region === 'ap-south') throw new Error('etcd of ap-south does not answer (connect ETIMEDOUT 10.3.0.5:2379)');
      const rows = (await database.execute(sql`
        select distinct on (project) project, build_id as build, id, finished_at as at from deployments
        where status = 'SUCCEEDED' order by project, id desc`)) as unknown as {
        project: string;
        build: string;
        id: number;
        at: string | Date;
      }[];
      return [...rows].map(
        ({ project: name, build, id, at }): VersionKey => ({
          format: 1,
          project: name,
          region,
          sequence: 40 + Number(id),
          issuedAt: new Date(at).getTime(),
          expiresAt: Date.now() + 6 * 86_400_000,
          stable: { build, manifestDigest: '0'.repeat(64), deployment: Number(id) },
          candidate: null,
          prefetch: [],
          quarantined: [],
          signature: { keyId: 'control', value: '' },
        }),
      );
    },
  };
}
