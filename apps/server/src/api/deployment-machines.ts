import type { MachineStep } from '@starling/shared/words.ts';
import { type SQL, sql } from 'drizzle-orm';
import type { deployments } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import { isOnline } from '../fleet/online.ts';

export interface RegionProgress {
  region: string;
  machines: number;
  done: number;
  inProgress: number;
  failed: number;
  offline: number;
  bytesDone: number;
  bytesTotal: number;
  bytesPerSecond: number;
}

/** How far a deployment is, by what machines confirmed. A machine that has said nothing yet counts as in progress. */
export async function deploymentMachinesByRegion(
  database: Database,
  deployment: Pick<typeof deployments.$inferSelect, 'id' | 'status'>,
): Promise<RegionProgress[]> {
  // Once a deployment has ended, what became of each machine stays as it was told, wherever the machine is now.
  const online = deployment.status === 'RUNNING' ? isOnline : sql`(${isOnline} or dm.step in ('COMMITTED', 'FAILED'))`;
  const rows = await database.execute(sql`
    select r.name as region,
      count(m.id)::int as machines,
      count(*) filter (where m.id is not null and ${online} and dm.step = 'COMMITTED')::int as done,
      count(*) filter (where m.id is not null and ${online} and dm.step = 'FAILED')::int as failed,
      count(*) filter (where m.id is not null and ${online} and (dm.step is null or dm.step not in ('COMMITTED', 'FAILED')))::int as "inProgress",
      count(*) filter (where m.id is not null and not ${online})::int as offline,
      coalesce(sum(dm.bytes_done), 0)::float8 as "bytesDone",
      coalesce(sum(dm.bytes_total), 0)::float8 as "bytesTotal",
      coalesce(sum(dm.bytes_per_second) filter (where dm.step = 'FETCHING' and dm.updated_at > now() - interval '5 seconds'), 0)::float8 as "bytesPerSecond"
    from regions r
    left join machines m on m.region = r.name
    left join deployment_machines dm on dm.deployment = ${deployment.id} and dm.machine = m.id
    group by r.name, r.position order by r.position`);
  return rows as unknown as RegionProgress[];
}

export interface DeploymentMachine {
  machine: string;
  region: string;
  online: boolean;
  /** Null while the machine has said nothing about this deployment. */
  step: MachineStep | null;
  detail: string;
  bytesDone: number;
  bytesTotal: number;
  bytesPerSecond: number;
  updatedAt: Date | null;
}

/** The machines of a deployment, by name; `after` is the last name of the page before. */
export async function deploymentMachinesList(
  database: Database,
  deployment: number,
  { region, after, limit }: { region?: string | undefined; after?: string | undefined; limit: number },
): Promise<DeploymentMachine[]> {
  const conditions: SQL[] = [sql`true`];
  if (region) conditions.push(sql`m.region = ${region}`);
  if (after) conditions.push(sql`m.id > ${after}`);
  const rows = (await database.execute(sql`
    select m.id as machine, m.region, ${isOnline} as online, dm.step, coalesce(dm.detail, '') as detail,
      coalesce(dm.bytes_done, 0)::float8 as "bytesDone", coalesce(dm.bytes_total, 0)::float8 as "bytesTotal",
      coalesce(dm.bytes_per_second, 0)::float8 as "bytesPerSecond", dm.updated_at as "updatedAt"
    from machines m
    left join deployment_machines dm on dm.deployment = ${deployment} and dm.machine = m.id
    where ${sql.join(conditions, sql` and `)}
    order by m.id limit ${limit}`)) as unknown as (Omit<DeploymentMachine, 'updatedAt'> & {
    updatedAt: string | null;
  })[];
  return rows.map((row) => ({ ...row, updatedAt: row.updatedAt === null ? null : new Date(row.updatedAt) }));
}
