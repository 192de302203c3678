import { type SQL, sql } from 'drizzle-orm';

// What a person is told of, each derived from the tables by one query: nothing raises an alert by hand, so none is lost
// when a process dies between the deed and the word. Every query answers {subject, project, title, text, path}.

export interface AlertLimits {
  /** After which a build that is not in every region is late. */
  replicationLateMs: number;
  /** From commit asked for to last machine. At two thirds of it the budget is at risk. */
  budgetMs: number;
  /** Without news from its machines a deployment has stalled. */
  stalledMs: number;
  /** Without any machine heard of a region is silent. */
  silentMs: number;
  /** Share of a region's machines away, above which its machines are silent. */
  silentShare: number;
  /** Fewer machines away than this are never worth an alert. */
  fewestSilent: number;
}

export const defaultAlertLimits: Omit<AlertLimits, 'budgetMs' | 'replicationLateMs'> = {
  stalledMs: 5 * 60_000,
  silentMs: 2 * 60_000,
  silentShare: 0.05,
  fewestSilent: 5,
};

/** Happens once and stays so: said once for each subject. Looked for as far back as this, so an outage loses none. */
const lookBack = sql`now() - interval '24 hours'`;
const milliseconds = (value: number) => sql`${value} * interval '1 millisecond'`;

const noText = sql`null::text`;

export const events = {
  'build.failed': () => sql`
    select j.id::text as subject, j.project, 'Build of ' || j.project || ' ' || left(j.commit_sha, 12) || ' failed' as title,
      coalesce(j.failure_reason, 'no reason is known') as text, '/jobs/' || j.id as path
    from jobs j where j.status = 'FAILED' and j.finished_at > ${lookBack}`,
  'deployment.waiting': () => sql`
    select d.id::text as subject, d.project, 'Deployment ' || d.id || ' of ' || d.build_id || ' waits for approval' as title,
      d.requested_by || ' asked for it' || case when d.reason = '' then '.' else ': ' || d.reason end as text,
      '/deployments/' || d.id as path
    from deployments d
    join deployment_gates g on g.deployment = d.id and g.gate = 'approvals' and g.status = 'WAITING'
    where d.status = 'WAITING' and d.created_at > ${lookBack}`,
  'deployment.failed': () => sql`
    select d.id::text as subject, d.project, 'Deployment ' || d.id || ' of ' || d.build_id || ' failed' as title,
      coalesce(d.outcome, '') as text, '/deployments/' || d.id as path
    from deployments d where d.status = 'FAILED' and d.finished_at > ${lookBack}`,
  'deployment.finished': () => sql`
    select d.id::text as subject, d.project, 'Deployment ' || d.id || ' of ' || d.build_id || ' succeeded' as title,
      coalesce(d.outcome, '') as text, '/deployments/' || d.id as path
    from deployments d where d.status = 'SUCCEEDED' and d.finished_at > ${lookBack}`,
} as const satisfies Record<string, () => SQL>;

/** Is so for a while: said once when it begins and once when it is over. */
export const states = {
  'replication.late': (limits: AlertLimits) => sql`
    select b.id as subject, b.project, b.id || ' is late in ' || string_agg(r.region, ', ' order by r.region) as title,
      string_agg(r.region || ' ' || r.status || coalesce(': ' || r.failure_reason, ''), '; ' order by r.region) as text,
      '/builds/' || b.id as path
    from replicas r join builds b on b.id = r.build_id
    where r.status <> 'REPLICATED' and b.expired_at is null
      and b.created_at < now() - ${milliseconds(limits.replicationLateMs)}
    group by b.id`,
  'deployment.halted': () => sql`
    select d.id::text as subject, d.project, 'Deployment ' || d.id || ' of ' || d.build_id || ' is halted' as title,
      coalesce(d.pause_reason, '') || '. It waits for a person.' as text, '/deployments/' || d.id as path
    from deployments d where d.status = 'RUNNING' and d.paused_by = 'starling'`,
  // One that stands still, bakes or is checked has nothing to hear from its machines.
  // While the tasks after it run, its machines have said all they will; tasks have timeouts of their own.
  'deployment.stalled': (limits: AlertLimits) => sql`
    select d.id::text as subject, d.project, 'Deployment ' || d.id || ' of ' || d.build_id || ' has stalled' as title,
      'No machine has said anything new since ' || to_char(last.at at time zone 'UTC', 'HH24:MI') || ' UTC.' as text,
      '/deployments/' || d.id as path
    from deployments d
    cross join lateral (
      select greatest(d.started_at, d.wave_began_at, d.resumed_at,
        (select max(m.updated_at) from deployment_machines m where m.deployment = d.id),
        (select max(t.finished_at) from deployment_tasks t where t.deployment = d.id and t.phase = 'AFTER')) as at
    ) last
    where d.status = 'RUNNING' and last.at < now() - ${milliseconds(limits.stalledMs)}
      and d.paused_at is null and d.bake_began_at is null and d.checks_began_at is null
      and (d.kind = 'ROLLBACK' or d.hotfix or not exists (
        select 1 from line_stops s where s.started_at is null and (s.project is null or s.project = d.project)))
      and not exists (
        select 1 from deployment_tasks t
        where t.deployment = d.id and t.phase = 'AFTER' and t.status in ('QUEUED', 'RUNNING'))`,
  'region.silent': (limits: AlertLimits) => sql`
    select m.region as subject, ${noText} as project, 'Region ' || m.region || ' is silent' as title,
      'None of its ' || count(*) || ' machines has been heard of since ' ||
        to_char(max(m.last_seen_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC.' as text,
      '/machines?region=' || m.region as path
    from machines m group by m.region
    having max(m.last_seen_at) < now() - ${milliseconds(limits.silentMs)}`,
  'machines.silent': (limits: AlertLimits) => sql`
    select region as subject, ${noText} as project, away || ' machines of ' || region || ' are silent' as title,
      away || ' of ' || machines || ' machines have not been heard of for ' ||
        ${Math.round(limits.silentMs / 1_000)}::int || ' s.' as text,
      '/machines?region=' || region as path
    from (
      select m.region, count(*) as machines, max(m.last_seen_at) as heard_at,
        count(*) filter (where not m.connected or m.last_seen_at < now() - ${milliseconds(limits.silentMs)}) as away
      from machines m where m.last_seen_at > now() - interval '7 days' group by m.region
    ) counted
    where away >= ${limits.fewestSilent}::int and away > machines * ${limits.silentShare}::float8
      and heard_at >= now() - ${milliseconds(limits.silentMs)}`,
  // Waiting for people does not count: only building, replicating and deploying do.
  'budget.at-risk': (limits: AlertLimits) => sql`
    select 'job ' || j.id as subject, j.project, 'Job ' || j.id || ' of ' || j.project || ' takes long' as title,
      'It is ' || j.status || ' since ' || round(extract(epoch from now() - j.created_at) / 60) || ' of ' ||
        ${Math.round(limits.budgetMs / 60_000)}::int || ' minutes.' as text,
      '/jobs/' || j.id as path
    from jobs j
    where j.id in (select job_id from jobs_waiting union all select job_id from jobs_taken)
      and j.status in ('QUEUED', 'RUNNING') and j.created_at < now() - ${milliseconds((limits.budgetMs * 2) / 3)}
    union all
    select 'deployment ' || d.id, d.project, 'Deployment ' || d.id || ' of ' || d.build_id || ' may miss its time',
      'From commit to machines it has taken ' || round(extract(epoch from spent.so_far) / 60) || ' of ' ||
        ${Math.round(limits.budgetMs / 60_000)}::int || ' minutes.',
      '/deployments/' || d.id
    from deployments d
    join builds b on b.id = d.build_id
    join jobs j on j.id = b.job_id
    cross join lateral (
      select (now() - d.started_at) + greatest(coalesce(max(r.finished_at), b.created_at) - j.created_at, interval '0') as so_far
      from replicas r where r.build_id = b.id
    ) spent
    where d.status = 'RUNNING' and d.kind = 'DEPLOY' and spent.so_far > ${milliseconds((limits.budgetMs * 2) / 3)}`,
} as const satisfies Record<string, (limits: AlertLimits) => SQL>;
