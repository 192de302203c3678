import { sql } from 'drizzle-orm';
import type { Queryable } from '../db/connect.ts';

// How well a team delivers, by the four measures of DORA (Forsgren, Humble, Kim: Accelerate; dora.dev/guides/dora-metrics):
//
// - deployment frequency: deployments that SUCCEEDED;
// - lead time for changes: from the commit (its committer date) to the end of the first deployment of its build that
//   SUCCEEDED;
// - change failure rate: of the deployments that ended, the share that FAILED or was rolled back: the next deployment of
//   the project to begin was a rollback away from its build;
// - time to restore: from the end of a deployment that FAILED, or from the beginning of the rollback of one that was rolled
//   back, to the end of the next deployment of the project that SUCCEEDED.
//
// Beside these, what building takes, stage by stage. Medians and 90th percentiles, as means hide the bad days.

export interface TrendFilter {
  /** Undefined: all of `projects`. */
  projects: string[] | undefined;
  from: Date;
  to: Date;
  bucket: 'day' | 'week';
}

export interface TrendBucket {
  start: Date;
  succeeded: number;
  failed: number;
  rolledBack: number;
  leadTimeMedianMs: number | null;
  builds: number;
  failedBuilds: number;
}

export interface Trends {
  buckets: TrendBucket[];
  totals: {
    succeeded: number;
    failed: number;
    rolledBack: number;
    /** Of the deployments that ended; null when none did. */
    successRate: number | null;
    changeFailureRate: number | null;
    leadTimeMedianMs: number | null;
    leadTimeP90Ms: number | null;
    timeToRestoreMedianMs: number | null;
    timeToRestoreP90Ms: number | null;
    queueWaitMedianMs: number | null;
    queueWaitP90Ms: number | null;
  };
  stages: { stage: string; medianMs: number; p90Ms: number; builds: number }[];
}

const ms = (expression: ReturnType<typeof sql>) => sql`(extract(epoch from ${expression}) * 1000)`;
const number = (value: unknown) => (value === null || value === undefined ? null : Number(value));

export async function readTrends(where: Queryable, { projects, from, to, bucket }: TrendFilter): Promise<Trends> {
  const [begin, end] = [from.toISOString(), to.toISOString()];
  const ours = (column: string) =>
    projects === undefined
      ? sql`true`
      : sql`${sql.raw(column)} in (select jsonb_array_elements_text(${JSON.stringify(projects)}::jsonb))`;
  // Each deployment that ended in the period, with what came of it.
  const ended = sql`
    ended as materialized (
      select d.id, d.project, d.status, d.kind, d.started_at, d.finished_at, b.committed_at,
        n.kind as next_kind, n.started_at as next_started_at,
        (n.kind = 'ROLLBACK' and n.build_id <> d.build_id) as rolled_back,
        row_number() over (partition by d.build_id, d.status order by d.finished_at) as nth
      from deployments d
      join builds b on b.id = d.build_id
      left join lateral (
        select o.kind, o.started_at, o.build_id from deployments o
        where o.project = d.project and o.started_at > d.started_at order by o.started_at limit 1
      ) n on true
      where d.finished_at >= ${begin}::timestamptz and d.finished_at < ${end}::timestamptz
        and d.started_at is not null and d.status in ('SUCCEEDED', 'FAILED', 'SUPERSEDED') and ${ours('d.project')}
    )`;
  const lead = sql`(status = 'SUCCEEDED' and kind = 'DEPLOY' and nth = 1)`;
  const counts = sql`
    count(*) filter (where status = 'SUCCEEDED')::int as succeeded,
    count(*) filter (where status = 'FAILED')::int as failed,
    count(*) filter (where status <> 'FAILED' and rolled_back)::int as "rolledBack",
    percentile_cont(0.5) within group (order by ${ms(sql`finished_at - committed_at`)}) filter (where ${lead}) as "leadTimeMedianMs"`;
  const byBucket = (await where.execute(sql`
    with ${ended}, slots as (
      select s as start from generate_series(date_trunc(${bucket}, ${begin}::timestamptz at time zone 'UTC'),
        (${end}::timestamptz at time zone 'UTC') - interval '1 ms', ${`1 ${bucket}`}::interval) s
    ), built as (
      select date_trunc(${bucket}, finished_at at time zone 'UTC') as start,
        count(*) filter (where status = 'SUCCEEDED')::int as builds, count(*) filter (where status = 'FAILED')::int as "failedBuilds"
      from jobs where finished_at >= ${begin}::timestamptz and finished_at < ${end}::timestamptz and ${ours('project')}
      group by 1
    ), delivered as (
      select date_trunc(${bucket}, finished_at at time zone 'UTC') as start, ${counts} from ended group by 1
    )
    select extract(epoch from slots.start) * 1000 as start, coalesce(succeeded, 0) as succeeded, coalesce(failed, 0) as failed,
      coalesce("rolledBack", 0) as "rolledBack", "leadTimeMedianMs", coalesce(builds, 0) as builds,
      coalesce("failedBuilds", 0) as "failedBuilds"
    from slots left join delivered using (start) left join built using (start)
    order by slots.start`)) as unknown as (Omit<TrendBucket, 'start'> & { start: string })[];
  const [total] = await where.execute(sql`
    with ${ended}, broken as (
      select project, case when status = 'FAILED' then finished_at else next_started_at end as since
      from ended where status = 'FAILED' or rolled_back
    ), restored as (
      select ${ms(sql`r.finished_at - broken.since`)} as took from broken
      cross join lateral (
        select o.finished_at from deployments o
        where o.project = broken.project and o.status = 'SUCCEEDED' and o.finished_at > broken.since
        order by o.finished_at limit 1) r
    ), waited as (
      select ${ms(sql`started_at - created_at`)} as took from jobs
      where finished_at >= ${begin}::timestamptz and finished_at < ${end}::timestamptz and started_at is not null
        and ${ours('project')}
    )
    select ${counts},
      percentile_cont(0.9) within group (order by ${ms(sql`finished_at - committed_at`)}) filter (where ${lead}) as "leadTimeP90Ms",
      (select percentile_cont(0.5) within group (order by took) from restored) as "timeToRestoreMedianMs",
      (select percentile_cont(0.9) within group (order by took) from restored) as "timeToRestoreP90Ms",
      (select percentile_cont(0.5) within group (order by took) from waited) as "queueWaitMedianMs",
      (select percentile_cont(0.9) within group (order by took) from waited) as "queueWaitP90Ms"
    from ended`);
  const stages = (await where.execute(sql`
    select s.stage, percentile_cont(0.5) within group (order by ${ms(sql`s.finished_at - s.started_at`)}) as "medianMs",
      percentile_cont(0.9) within group (order by ${ms(sql`s.finished_at - s.started_at`)}) as "p90Ms", count(*)::int as builds
    from jobs j join job_stage_times s on s.job_id = j.id and s.attempt = j.attempts
    where j.finished_at >= ${begin}::timestamptz and j.finished_at < ${end}::timestamptz and j.status = 'SUCCEEDED'
      and s.finished_at is not null and ${ours('j.project')}
    group by s.stage order by min(s.started_at - j.started_at)`)) as unknown as Trends['stages'];
  const [succeeded, failed, rolledBack] = [Number(total!.succeeded), Number(total!.failed), Number(total!.rolledBack)];
  const all = succeeded + failed;
  return {
    buckets: byBucket.map((row) => ({
      ...row,
      start: new Date(Number(row.start)),
      leadTimeMedianMs: number(row.leadTimeMedianMs),
    })),
    totals: {
      succeeded,
      failed,
      rolledBack,
      successRate: all > 0 ? succeeded / all : null,
      changeFailureRate: all > 0 ? (failed + rolledBack) / all : null,
      leadTimeMedianMs: number(total!.leadTimeMedianMs),
      leadTimeP90Ms: number(total!.leadTimeP90Ms),
      timeToRestoreMedianMs: number(total!.timeToRestoreMedianMs),
      timeToRestoreP90Ms: number(total!.timeToRestoreP90Ms),
      queueWaitMedianMs: number(total!.queueWaitMedianMs),
      queueWaitP90Ms: number(total!.queueWaitP90Ms),
    },
    stages: stages.map((row) => ({ ...row, medianMs: Number(row.medianMs), p90Ms: Number(row.p90Ms) })),
  };
}
