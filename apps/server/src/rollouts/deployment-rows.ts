import { settingsOf } from '@starling/shared/project-settings.ts';
import { and, eq, isNull, type SQL, sql } from 'drizzle-orm';
import { deployments } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { isReached } from '../fleet/is-reached.ts';
import { isOnline } from '../fleet/online.ts';
import { onlineMachines } from '../fleet/online-machines.ts';
import { isWaiting } from '../fleet/waits-for-window.ts';
import { isHeld } from '../steering/line.ts';
import type { DeploymentFact, WaitingBuild } from './desired-key.ts';
import type { DeploymentRows, RunningDeployment } from './ports.ts';

const mostQuarantined = 256;

/** Stopped lines hold a deployment `d`, but a rollback, which never waits, and a hotfix that was let through. */
const heldByLine = sql`(d.kind <> 'ROLLBACK' and not d.hotfix)`;

export function deploymentRows(database: Database): DeploymentRows {
  /** Changes a deployment only while it is as it was read. */
  const change = (
    deployment: RunningDeployment,
    set: Record<string, unknown>,
    also?: (tx: Transaction) => Promise<void>,
  ) =>
    database.transaction(async (tx) => {
      const rows = await tx
        .update(deployments)
        .set(set)
        .where(
          and(
            eq(deployments.id, deployment.id),
            eq(deployments.status, 'RUNNING'),
            eq(deployments.wave, deployment.wave),
            isNull(deployments.pausedAt),
            sql`not exists (select from line_stops s where s.started_at is null
              and (s.project is null or s.project = ${deployments.project})
              and ${deployments.kind} <> 'ROLLBACK' and not ${deployments.hotfix})`,
          ),
        )
        .returning({ id: deployments.id });
      if (rows.length === 0) return false;
      await announce(tx, 'deployments');
      await also?.(tx);
      return true;
    });
  const audit =
    (deployment: RunningDeployment, action: string, details: Record<string, unknown>) => (tx: Transaction) =>
      recordAudit(tx, {
        actor: 'starling',
        action,
        project: deployment.project,
        target: String(deployment.id),
        details,
      });

  return {
    factsByProject: async () => {
      // The newest deployment says whether there is a candidate, the newest that may fix what is stable says the rest.
      // Newest by when they began: one that waited for people may begin after others that were asked for later.
      const rows = (await database.execute(sql`
        select d.project, d.id, d.kind, d.status, d.build_id as build, b.manifest_digest as "manifestDigest", d.salt, d.reach,
          ${isHeld} as held, (d.kind = 'ROLLBACK' or d.hotfix) as "passesWindows"
        from (select name from projects) p
        cross join lateral (
          (select id, project, kind, status, build_id, salt, reach, started_at, paused_at, hotfix from deployments
             where project = p.name and started_at is not null order by started_at desc, id desc limit 1)
          union
          (select id, project, kind, status, build_id, salt, reach, started_at, paused_at, hotfix from deployments
             where project = p.name and started_at is not null
               and (status = 'SUCCEEDED' or (kind = 'ROLLBACK' and status <> 'ABORTED'))
             order by started_at desc, id desc limit 1)
        ) d
        join builds b on b.id = d.build_id
        order by d.project, d.started_at desc, d.id desc`)) as unknown as (DeploymentFact & { project: string })[];
      return Map.groupBy(
        rows.map((row) => ({ ...row, id: Number(row.id) })),
        (row) => row.project,
      );
    },
    quarantined: async () => {
      const rows = (await database.execute(sql`
        select project, (array_agg(build_id order by id desc))[1:${sql.raw(String(mostQuarantined))}] as builds
        from quarantines where lifted_at is null group by project`)) as unknown as {
        project: string;
        builds: string[];
      }[];
      return new Map(rows.map(({ project, builds }) => [project, builds]));
    },
    maintenance: async () => {
      const rows = (await database.execute(sql`
        select name, settings from projects where settings ? 'maintenance'`)) as unknown as {
        name: string;
        settings: unknown;
      }[];
      return new Map(rows.map(({ name, settings }) => [name, settingsOf(settings).maintenance]));
    },
    waitingBuilds: async () => {
      const rows = (await database.execute(sql`
        select d.project, d.build_id as build, b.manifest_digest as "manifestDigest", p.settings
        from deployments d join builds b on b.id = d.build_id join projects p on p.name = d.project
        where d.status = 'WAITING' order by d.id desc`)) as unknown as (WaitingBuild & {
        project: string;
        settings: unknown;
      })[];
      return Map.groupBy(
        rows.filter(({ settings }) => settingsOf(settings).prefetch === 'whenAsked'),
        ({ project }) => project,
      );
    },
    running: () => readRunning(database),
    onlineMachines: () => onlineMachines(database),
    advance: (deployment, to, reach, why) =>
      change(
        deployment,
        { wave: to, reach, waveBeganAt: sql`now()`, bakeBeganAt: null, checksBeganAt: null },
        audit(deployment, 'deployment.advance', { wave: to, why }),
      ),
    bake: (deployment) => change(deployment, { bakeBeganAt: sql`now()` }),
    check: (deployment) => change(deployment, { checksBeganAt: sql`now()` }),
    halt: (deployment, why) =>
      change(
        deployment,
        { pausedAt: sql`now()`, pausedBy: 'starling', pauseReason: why },
        audit(deployment, 'deployment.halt', { wave: deployment.wave, why }),
      ),
    end: (deployment, status, outcome) => change(deployment, { status, outcome, finishedAt: sql`now()` }),
  };
}

async function readRunning(database: Database): Promise<RunningDeployment[]> {
  const milliseconds = (moment: SQL) => sql`(extract(epoch from ${moment}) * 1000)::float8`;
  const rows = (await database.execute(sql`
    select d.id, d.kind, d.project, d.salt, d.plan, d.reach, d.wave, d.promoted_to as "promotedTo",
      d.tolerated_failures as "toleratedFailures", ${milliseconds(sql`d.bake_began_at`)} as "bakeBeganAtMs",
      ${milliseconds(sql`d.checks_began_at`)} as "checksBeganAtMs",
      case when d.paused_at is not null then 'paused by ' || d.paused_by
        when bool_or(l.holds) and ${heldByLine} then 'the line is stopped' end as "heldBecause",
      ${milliseconds(sql`greatest(d.started_at, d.created_at, d.wave_began_at, d.resumed_at, max(l.started_at))`)} as "startedAtMs",
      ${milliseconds(sql`greatest(max(counted.latest), d.started_at, d.created_at)`)} as "lastProgressAtMs",
      counted.done, counted.failed, counted."inProgress", counted.offline, counted.waiting, counted."commonReason"
    from deployments d
    cross join lateral (
      select max(dm.updated_at) as latest,
        count(*) filter (where ${isOnline} and dm.step = 'COMMITTED')::int as done,
        count(*) filter (where ${isOnline} and dm.step = 'FAILED')::int as failed,
        count(*) filter (where ${isOnline} and not ${isWaiting} and (dm.step is null or dm.step not in ('COMMITTED', 'FAILED')))::int as "inProgress",
        count(*) filter (where not ${isOnline})::int as offline,
        count(*) filter (where ${isOnline} and ${isWaiting})::int as waiting,
        coalesce(mode() within group (order by split_part(dm.detail, chr(10), 1)) filter (where dm.step = 'FAILED'), '') as "commonReason"
      from machines m
      left join deployment_machines dm on dm.deployment = d.id and dm.machine = m.id
      where ${isReached}
    ) counted
    left join lateral (
      select s.started_at, s.started_at is null as holds from line_stops s
      where (s.project is null or s.project = d.project) and (s.started_at is null or s.started_at > d.created_at)
    ) l on true
    where d.status = 'RUNNING'
    group by d.id, counted.done, counted.failed, counted."inProgress", counted.offline, counted.waiting, counted."commonReason"`)) as unknown as (Omit<
    RunningDeployment,
    'counts'
  > &
    RunningDeployment['counts'])[];
  return rows.map(({ done, failed, inProgress, offline, waiting, ...row }) => ({
    ...row,
    id: Number(row.id),
    commonReason: row.commonReason.slice(0, 500),
    counts: { done, failed, inProgress, offline, waiting },
  }));
}
