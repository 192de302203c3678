import type { DeploymentKind } from '@starling/shared/words.ts';
import { and, eq, sql } from 'drizzle-orm';
import { deployments } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import { isOnline } from '../fleet/online.ts';
import type { DeploymentFact } from './desired-key.ts';
import type { DeploymentRows, RunningDeployment } from './ports.ts';

export function deploymentRows(database: Database): DeploymentRows {
  return {
    factsByProject: async () => {
      // The newest deployment says whether there is a candidate, the newest that may fix what is stable says the rest.
      // Newest by when they began: one that waited for people may begin after others that were asked for later.
      const rows = (await database.execute(sql`
        select d.project, d.id, d.kind, d.status, d.build_id as build, b.manifest_digest as "manifestDigest", d.salt
        from (select name from projects) p
        cross join lateral (
          (select * from deployments where project = p.name and started_at is not null
             order by started_at desc, id desc limit 1)
          union
          (select * from deployments where project = p.name and started_at is not null
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
    running: async () => {
      const rows = (await database.execute(sql`
        select d.id, d.kind, d.project,
          extract(epoch from coalesce(d.started_at, d.created_at)) * 1000 as "startedAtMs",
          extract(epoch from coalesce(max(dm.updated_at), d.started_at, d.created_at)) * 1000 as "lastProgressAtMs",
          count(*) filter (where ${isOnline} and dm.step = 'COMMITTED')::int as done,
          count(*) filter (where ${isOnline} and dm.step = 'FAILED')::int as failed,
          count(*) filter (where ${isOnline} and (dm.step is null or dm.step not in ('COMMITTED', 'FAILED')))::int as "inProgress",
          count(*) filter (where m.id is not null and not ${isOnline})::int as offline,
          coalesce(mode() within group (order by dm.detail) filter (where dm.step = 'FAILED'), '') as "commonReason"
        from deployments d
        left join machines m on true
        left join deployment_machines dm on dm.deployment = d.id and dm.machine = m.id
        where d.status = 'RUNNING'
        group by d.id`)) as unknown as Record<string, string | number>[];
      return rows.map(
        (row): RunningDeployment => ({
          id: Number(row.id),
          kind: row.kind as DeploymentKind,
          project: String(row.project),
          startedAtMs: Number(row.startedAtMs),
          lastProgressAtMs: Number(row.lastProgressAtMs),
          commonReason: String(row.commonReason).split('\n')[0]!.slice(0, 500),
          counts: {
            done: Number(row.done),
            failed: Number(row.failed),
            inProgress: Number(row.inProgress),
            offline: Number(row.offline),
          },
        }),
      );
    },
    end: (deployment, status, outcome) =>
      database.transaction(async (tx) => {
        const rows = await tx
          .update(deployments)
          .set({ status, outcome, finishedAt: sql`now()` })
          .where(and(eq(deployments.id, deployment), eq(deployments.status, 'RUNNING')))
          .returning({ id: deployments.id });
        if (rows.length === 0) return false;
        await announce(tx, 'deployments');
        return true;
      }),
  };
}
