import { type SQL, sql } from 'drizzle-orm';
import type { Queryable } from '../db/connect.ts';

// How well a team delivers, by the four measures of DORA (Forsgren, Humble, Kim: Accelerate; dora.dev/guides/dora-metrics):
//
// - deployment frequency: deployments that SUCCEEDED, rollbacks among them;
// - lead time for changes: from the commit (its committer date) to the end of the first deployment of its build that ever
//   SUCCEEDED;
// - change failure rate: of the changes, the share that FAILED or was rolled back. A change is a deployment that began, is no
//   rollback itself, and ended as SUCCEEDED or FAILED, or was replaced by a rollback. It was rolled back when the next
//   deployment of its project to begin was a rollback to another build;
// - time to restore: from the end of a change that FAILED, or from the beginning of the rollback of one that was rolled back,
//   to the end of the next deployment of the project that SUCCEEDED.
//
// Deployments that a person aborted say nothing of a change and are counted apart. Beside these, what building takes, stage
// by stage, and whether deployments took as long as was foretold: those that SUCCEEDED and were never resumed, as a pause is
// in no forecast. Medians and 90th percentiles, as means hide the bad days.

export interface TrendFilter {
  /** Undefined: all of them. */
  projects: readonly string[] | undefined;
  /** Deployments and jobs count where they ended: in [from, to). */
  from: Date;
  to: Date;
  /** In UTC; a week begins on Monday. */
  bucket: 'day' | 'week';
}

export interface TrendBucket {
  /** Its beginning; the first one may begin before the period, and holds only what is in it. */
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
    aborted: number;
    /** Deployments that SUCCEEDED, in a day. */
    perDay: number;
    /** Of those that SUCCEEDED or FAILED; null when none did. */
    successRate: number | null;
    changes: number;
    changeFailureRate: number | null;
    leadTimeMedianMs: number | null;
    leadTimeP90Ms: number | null;
    timeToRestoreMedianMs: number | null;
    timeToRestoreP90Ms: number | null;
    /** Changes that failed with no success since. */
    notRestored: number;
    /** From asked for to begun, of the attempt that ended the job. */
    queueWaitMedianMs: number | null;
    queueWaitP90Ms: number | null;
    /** Deployments whose time was foretold and can be compared with it. */
    foretold: number;
    /** What they took, as a multiple of what was foretold. */
    foretoldRatioMedian: number | null;
    foretoldRatioP90: number | null;
  };
  /**
   * What a commit goes through, in this order: the stages of jobs that SUCCEEDED, REPLICATION of builds to every region,
   * DEPLOYMENT of those that SUCCEEDED. What nothing went through is left out.
   */
  stages: { stage: string; medianMs: number; p90Ms: number; times: number }[];
}

type Computed = 'perDay' | 'successRate' | 'changeFailureRate';
type CountedTotals = Omit<Trends['totals'], Computed> & { failedChanges: number };

const ms = (interval: SQL) => sql`(extract(epoch from ${interval}) * 1000)`;
const share = (quantile: number, of: SQL) =>
  sql`percentile_cont(${sql.raw(String(quantile))}) within group (order by ${of})`;
const dayMs = 86_400_000;

export async function readTrends(where: Queryable, { projects, from, to, bucket }: TrendFilter): Promise<Trends> {
  const [begin, end] = [sql`${from.toISOString()}::timestamptz`, sql`${to.toISOString()}::timestamptz`];
  const ours = (column: string) => {
    if (projects === undefined) return sql`true`;
    return projects.length > 0 ? sql`${sql.raw(column)} in ${[...projects]}` : sql`false`;
  };
  const endedWithin = (table: string) =>
    sql`${sql.raw(table)}.finished_at >= ${begin} and ${sql.raw(table)}.finished_at < ${end} and ${ours(`${table}.project`)}`;
  const slot = (at: SQL) => sql`date_trunc(${bucket}, ${at} at time zone 'UTC')`;
  // Each deployment that began and ended in the period, with what came of it.
  const ended = sql`
    ended as materialized (
      select d.project, d.status, d.finished_at, n.started_at as next_started_at,
        ${ms(sql`d.finished_at - b.committed_at`)} as lead_ms,
        d.status = 'SUCCEEDED' and d.kind <> 'ROLLBACK' and not exists (
          select 1 from deployments e
          where e.build_id = d.build_id and e.status = 'SUCCEEDED' and e.finished_at < d.finished_at) as is_first,
        d.kind <> 'ROLLBACK' and d.status = 'FAILED' as is_failed,
        d.kind <> 'ROLLBACK' and d.status in ('SUCCEEDED', 'SUPERSEDED') and n.kind = 'ROLLBACK'
          and n.build_id <> d.build_id as is_rolled_back,
        d.kind <> 'ROLLBACK' and d.status = 'SUCCEEDED' as is_success,
        case when d.status = 'SUCCEEDED' and d.resumed_at is null then (d.measured->>'totalMs')::float8
          / greatest(1, (d.forecast->>'totalMs')::float8) end as ratio
      from deployments d
      join builds b on b.id = d.build_id
      left join lateral (
        select o.kind, o.started_at, o.build_id from deployments o
        where o.project = d.project and o.started_at > d.started_at order by o.started_at limit 1
      ) n on true
      where d.started_at is not null and ${endedWithin('d')}
    )`;
  const counts = sql`
    count(*) filter (where status = 'SUCCEEDED')::int as succeeded,
    count(*) filter (where status = 'FAILED')::int as failed,
    count(*) filter (where is_rolled_back)::int as "rolledBack",
    ${share(0.5, sql`lead_ms`)} filter (where is_first) as "leadTimeMedianMs"`;

  const [answer] = (await where.execute(sql`
    with ${ended}, slots as (
      select generate_series(${slot(begin)}, (${end} at time zone 'UTC') - interval '1 ms',
        ${`1 ${bucket}`}::interval) as start
    ), built as (
      select ${slot(sql`j.finished_at`)} as start, count(*) filter (where j.status = 'SUCCEEDED')::int as builds,
        count(*) filter (where j.status = 'FAILED')::int as "failedBuilds"
      from jobs j where ${endedWithin('j')} group by 1
    ), delivered as (
      select ${slot(sql`finished_at`)} as start, ${counts} from ended group by 1
    ), buckets as (
      select extract(epoch from slots.start) * 1000 as start, coalesce(succeeded, 0) as succeeded,
        coalesce(failed, 0) as failed, coalesce("rolledBack", 0) as "rolledBack", "leadTimeMedianMs",
        coalesce(builds, 0) as builds, coalesce("failedBuilds", 0) as "failedBuilds"
      from slots left join delivered using (start) left join built using (start)
    ), broken as (
      select project, case when is_failed then finished_at else next_started_at end as since
      from ended where is_failed or is_rolled_back
    ), restored as (
      select ${ms(sql`r.finished_at - broken.since`)} as took from broken
      left join lateral (
        select o.finished_at from deployments o
        where o.project = broken.project and o.status = 'SUCCEEDED' and o.finished_at > broken.since
        order by o.finished_at limit 1) r on true
    ), waited as (
      select ${ms(sql`j.started_at - j.created_at`)} as took from jobs j
      where j.started_at is not null and ${endedWithin('j')}
    ), totals as (
      select ${counts}, count(*) filter (where status = 'ABORTED')::int as aborted,
        count(*) filter (where is_success or is_failed or is_rolled_back)::int as changes,
        count(*) filter (where is_failed or is_rolled_back)::int as "failedChanges",
        ${share(0.9, sql`lead_ms`)} filter (where is_first) as "leadTimeP90Ms",
        (select ${share(0.5, sql`took`)} from restored) as "timeToRestoreMedianMs",
        (select ${share(0.9, sql`took`)} from restored) as "timeToRestoreP90Ms",
        (select count(*)::int from restored where took is null) as "notRestored",
        (select ${share(0.5, sql`took`)} from waited) as "queueWaitMedianMs",
        (select ${share(0.9, sql`took`)} from waited) as "queueWaitP90Ms", count(ratio)::int as foretold,
        ${share(0.5, sql`ratio`)} as "foretoldRatioMedian", ${share(0.9, sql`ratio`)} as "foretoldRatioP90"
      from ended
    )
    select (select jsonb_agg(buckets order by start) from buckets) as buckets,
      (select to_jsonb(totals) from totals) as totals`)) as unknown as {
    buckets: (Omit<TrendBucket, 'start'> & { start: number })[];
    totals: CountedTotals;
  }[];

  const spread = (took: SQL) =>
    sql`${share(0.5, ms(took))} as "medianMs", ${share(0.9, ms(took))} as "p90Ms", count(*)::int as times`;
  const stages = (await where.execute(sql`
    select * from (
      select 0 as part, min(s.started_at - j.started_at) as place, s.stage, ${spread(sql`s.finished_at - s.started_at`)}
      from jobs j join job_stage_times s on s.job_id = j.id and s.attempt = j.attempts
      where j.status = 'SUCCEEDED' and s.finished_at is not null and ${endedWithin('j')}
      group by s.stage
      union all
      select 1, null, 'REPLICATION', ${spread(sql`r.finished_at - r.created_at`)}
      from (
        select b.created_at, max(r.finished_at) as finished_at from builds b join replicas r on r.build_id = b.id
        where b.created_at >= ${begin} and b.created_at < ${end} and ${ours('b.project')}
        group by b.id having bool_and(r.status = 'REPLICATED')
      ) r
      union all
      select 2, null, 'DEPLOYMENT', ${spread(sql`d.finished_at - d.started_at`)}
      from deployments d where d.status = 'SUCCEEDED' and d.started_at is not null and ${endedWithin('d')}
    ) parts where times > 0 order by part, place`)) as unknown as Trends['stages'];

  const { failedChanges, ...totals } = answer!.totals;
  const { succeeded, failed, changes } = totals;
  const rate = (part: number, of: number) => (of > 0 ? part / of : null);
  return {
    buckets: answer!.buckets.map((row) => ({ ...row, start: new Date(row.start) })),
    totals: {
      ...totals,
      perDay: succeeded / ((to.getTime() - from.getTime()) / dayMs),
      successRate: rate(succeeded, succeeded + failed),
      changeFailureRate: rate(failedChanges, changes),
    },
    stages: stages.map(({ stage, medianMs, p90Ms, times }) => ({
      stage,
      medianMs: Number(medianMs),
      p90Ms: Number(p90Ms),
      times,
    })),
  };
}
