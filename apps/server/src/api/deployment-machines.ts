import type { MachineStep } from '@starling/shared/words.ts';
import { type SQL, sql } from 'drizzle-orm';
import type { deployments } from '../../../../drizzle/schema/index.ts';
import type { Database, Queryable } from '../db/connect.ts';
import { isReached } from '../fleet/is-reached.ts';
import { conditionsOf, type MachineState, machineStates } from '../fleet/machine-states.ts';
import { isOnline } from '../fleet/online.ts';
import { isWaiting } from '../fleet/waits-for-window.ts';

export interface RegionProgress {
  region: string;
  machines: number;
  done: number;
  inProgress: number;
  failed: number;
  offline: number;
  /** Ready, and kept by their maintenance windows: not among those in progress. */
  waiting: number;
  /** Those that no wave has come to yet. */
  notReached: number;
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
  const online =
    deployment.status === 'RUNNING'
      ? isOnline
      : sql`(${isOnline} or coalesce(dm.step in ('COMMITTED', 'FAILED'), false))`;
  const rows = await database.execute(sql`
    select r.name as region,
      count(m.id)::int as machines,
      count(*) filter (where m.id is not null and ${online} and dm.step = 'COMMITTED')::int as done,
      count(*) filter (where m.id is not null and ${online} and dm.step = 'FAILED')::int as failed,
      count(*) filter (where m.id is not null and ${online} and ${underWay} and not ${isWaiting} and ${isReached})::int as "inProgress",
      count(*) filter (where m.id is not null and not ${online} and ${isReached})::int as offline,
      count(*) filter (where m.id is not null and ${online} and ${isWaiting} and ${isReached})::int as waiting,
      count(*) filter (where m.id is not null and not ${isReached} and (${underWay} or not ${online}))::int as "notReached",
      coalesce(sum(dm.bytes_done), 0)::float8 as "bytesDone",
      coalesce(sum(dm.bytes_total), 0)::float8 as "bytesTotal",
      coalesce(sum(dm.bytes_per_second) filter (where dm.step = 'FETCHING' and dm.updated_at > now() - interval '12 seconds'), 0)::float8 as "bytesPerSecond"
    from regions r
    join deployments d on d.id = ${deployment.id}
    left join machines m on m.region = r.name
    left join deployment_machines dm on dm.deployment = d.id and dm.machine = m.id
    group by r.name, r.position order by r.position`);
  return rows as unknown as RegionProgress[];
}

export interface DeploymentMachine {
  machine: string;
  region: string;
  online: boolean;
  /** Whether a wave has come to it. */
  reached: boolean;
  /** Null while the machine has said nothing about this deployment. */
  step: MachineStep | null;
  detail: string;
  bytesDone: number;
  bytesTotal: number;
  bytesPerSecond: number;
  updatedAt: Date | null;
}

export interface DeploymentMachineFilter {
  region?: string | undefined;
  /** How its name begins. */
  find?: string | undefined;
}

export interface DeploymentMachinePage {
  /** Worst first, by name within each state; or by name alone. */
  order: 'worst' | 'name';
  state: MachineState | undefined;
  after: { machine: string; state: MachineState | undefined } | undefined;
  limit: number;
}

/**
 * A page of a deployment's machines. Their states: `failed`, `offline`, `behind` for those that are still at it, `done`. Once a
 * deployment has ended, what a machine confirmed stays true, wherever it is now.
 */
export async function deploymentMachinesList(
  database: Queryable,
  deployment: Pick<typeof deployments.$inferSelect, 'id' | 'status'>,
  filter: DeploymentMachineFilter,
  page: DeploymentMachinePage,
): Promise<(DeploymentMachine & { state: MachineState })[]> {
  const isOver = deployment.status !== 'RUNNING';
  const states = isOver ? statesOfEnded : statesOfRunning;
  const read = async (state: MachineState | undefined, after: string | undefined, limit: number) => {
    const conditions = [...conditionsOf({ region: filter.region, find: filter.find, visible: undefined }, after)];
    if (state) conditions.push(states[state]);
    // Said again of the other table, whose index is in this order too.
    if (after !== undefined && (state === 'failed' || state === 'done')) conditions.push(sql`dm.machine > ${after}`);
    const rows = (await database.execute(sql`
      select m.id as machine, m.region, ${isOnline} as online, ${isReached} as reached, dm.step,
        coalesce(dm.detail, '') as detail,
        coalesce(dm.bytes_done, 0)::float8 as "bytesDone", coalesce(dm.bytes_total, 0)::float8 as "bytesTotal",
        coalesce(dm.bytes_per_second, 0)::float8 as "bytesPerSecond", dm.updated_at as "updatedAt"
      from machines m
      join deployments d on d.id = ${deployment.id}
      left join deployment_machines dm on dm.deployment = ${deployment.id} and dm.machine = m.id
      where ${sql.join([sql`true`, ...conditions], sql` and `)}
      order by m.id limit ${limit}`)) as unknown as (Omit<DeploymentMachine, 'updatedAt'> & {
      updatedAt: string | null;
    })[];
    return rows.map((row) => ({
      ...row,
      updatedAt: row.updatedAt === null ? null : new Date(row.updatedAt),
      state: state ?? stateOf(row, isOver),
    }));
  };
  const { order, state, after, limit } = page;
  if (order === 'name') return read(state, after?.machine, limit);
  const listed: (DeploymentMachine & { state: MachineState })[] = [];
  const first = after?.state ? machineStates.indexOf(after.state) : 0;
  for (const each of machineStates.slice(first)) {
    if (listed.length === limit) break;
    if (state && state !== each) continue;
    listed.push(...(await read(each, each === after?.state ? after.machine : undefined, limit - listed.length)));
  }
  return listed;
}

const underWay = sql`(dm.step is null or dm.step not in ('COMMITTED', 'FAILED'))`;
const statesOfRunning: Record<MachineState, SQL> = {
  failed: sql`dm.step = 'FAILED'`,
  offline: sql`not ${isOnline} and dm.step is distinct from 'FAILED'`,
  behind: sql`${isOnline} and ${underWay}`,
  done: sql`dm.step = 'COMMITTED' and ${isOnline}`,
};
const statesOfEnded: Record<MachineState, SQL> = {
  ...statesOfRunning,
  offline: sql`not ${isOnline} and ${underWay}`,
  done: sql`dm.step = 'COMMITTED'`,
};

function stateOf({ step, online }: Pick<DeploymentMachine, 'step' | 'online'>, isOver: boolean): MachineState {
  if (step === 'FAILED') return 'failed';
  if (step === 'COMMITTED' && (online || isOver)) return 'done';
  return online ? 'behind' : 'offline';
}

const mostPoints = 120;

/** When how many machines were done, for a line that climbs: at most 120 points from the first to the last, however many machines. */
export async function deploymentBurnUp(database: Queryable, deployment: number): Promise<{ at: Date; done: number }[]> {
  const rows = (await database.execute(sql`
    with done as (
      select updated_at as at from deployment_machines where deployment = ${deployment} and step = 'COMMITTED'
    ), span as (select min(at) as first, greatest(max(at) - min(at), interval '1 ms') as width from done)
    select max(at) as at, sum(count(*)) over (order by max(at))::int as done
    from done, span
    group by floor(extract(epoch from at - first) / extract(epoch from width) * ${mostPoints - 1})
    order by 1`)) as unknown as { at: string; done: number }[];
  return rows.map(({ at, done }) => ({ at: new Date(at), done }));
}
