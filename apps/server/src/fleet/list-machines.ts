import type { MachineStep } from '@starling/shared/words.ts';
import { type SQL, sql } from 'drizzle-orm';
import type { Queryable } from '../db/connect.ts';
import {
  conditionsOf,
  hasFailed,
  isBehind,
  isIn,
  type MachineFilter,
  type MachineState,
  machineStates,
  ofProjects,
  type Visibility,
} from './machine-states.ts';
import { isOnline } from './online.ts';

export interface MachineRow {
  id: string;
  region: string;
  labels: Record<string, string>;
  agentVersion: string;
  online: boolean;
  lastSeenAt: Date;
  state: MachineState;
  projects: {
    project: string;
    step: MachineStep;
    observedBuild: string | null;
    desiredBuild: string | null;
    detail: string;
  }[];
}

export interface MachinePage {
  /** Worst first, by name within each state; or by name alone. */
  order: 'worst' | 'name';
  /** Only machines in one of these; undefined for all. */
  states: readonly MachineState[] | undefined;
  /** Where the page before ended: its last machine, and for `worst` the state in which it was listed. */
  after: { id: string; state: MachineState | undefined } | undefined;
  limit: number;
}

/** A page of the fleet's machines, of any size of fleet: what is read follows from the page, not from the fleet. */
export async function listMachines(
  where: Queryable,
  filter: MachineFilter & Visibility,
  page: MachinePage,
): Promise<MachineRow[]> {
  const listed = await namesOf(where, filter, page);
  if (listed.length === 0) return [];
  const names = listed.map(({ id }) => id);
  const rows = (await where.execute(sql`
    select m.id, m.region, m.labels, m.agent_version as "agentVersion", ${isOnline} as online,
      m.last_seen_at as "lastSeenAt",
      coalesce((select jsonb_agg(jsonb_build_object('project', mp.project, 'step', mp.step, 'observedBuild', mp.observed_build,
        'desiredBuild', mp.desired_build, 'detail', mp.detail) order by mp.project)
        from machine_projects mp where mp.machine = m.id and ${ofProjects(filter)}), '[]') as projects
    from machines m where m.id in ${names}`)) as unknown as (Omit<MachineRow, 'lastSeenAt' | 'state'> & {
    lastSeenAt: string;
  })[];
  const byName = new Map(rows.map((row) => [row.id, row]));
  return listed.flatMap(({ id, state }) => {
    const row = byName.get(id);
    return row ? [{ ...row, lastSeenAt: new Date(row.lastSeenAt), state: state ?? stateOf(row) }] : [];
  });
}

function stateOf({ online, projects }: Pick<MachineRow, 'online' | 'projects'>): MachineState {
  if (projects.some(({ step }) => step === 'FAILED')) return 'failed';
  if (!online) return 'offline';
  return projects.some(({ observedBuild, desiredBuild }) => observedBuild !== desiredBuild) ? 'behind' : 'done';
}

interface Listed {
  id: string;
  state: MachineState | undefined;
}

async function namesOf(where: Queryable, filter: MachineFilter & Visibility, page: MachinePage): Promise<Listed[]> {
  const { order, states, after, limit } = page;
  if (order === 'name' && states === undefined) {
    const rows = await named(where, conditionsOf(filter, after?.id), limit);
    return rows.map((id) => ({ id, state: undefined }));
  }
  if (order === 'name') {
    const inStates = (states ?? []).map((state) => sql`(${isIn(state, filter, after?.id)})`);
    const oneOf = inStates.length > 0 ? sql`(${sql.join(inStates, sql` or `)})` : sql`false`;
    const rows = await named(where, [...conditionsOf(filter, after?.id), oneOf], limit);
    return rows.map((id) => ({ id, state: states?.length === 1 ? states[0] : undefined }));
  }
  // One state after the other, each by its own index, until the page is full.
  const listed: Listed[] = [];
  const first = after?.state ? machineStates.indexOf(after.state) : 0;
  for (const state of machineStates.slice(first)) {
    if (listed.length === limit) break;
    if (states && !states.includes(state)) continue;
    const from = state === after?.state ? after.id : undefined;
    const conditions = [...conditionsOf(filter, from), isIn(state, filter, from)];
    const rows = await named(where, conditions, limit - listed.length);
    listed.push(...rows.map((id) => ({ id, state })));
  }
  return listed;
}

async function named(where: Queryable, conditions: readonly SQL[], limit: number): Promise<string[]> {
  const rows = (await where.execute(sql`
    select m.id from machines m where ${sql.join([sql`true`, ...conditions], sql` and `)}
    order by m.id limit ${limit}`)) as unknown as { id: string }[];
  return rows.map(({ id }) => id);
}

export type MachineCounts = Record<MachineState, number> & { region: string; machines: number };

/** How many machines of a filter are in which state, by region; regions without any are left out. */
export async function countMachines(where: Queryable, filter: MachineFilter & Visibility): Promise<MachineCounts[]> {
  const rows = await where.execute(sql`
    with told as (
      select mp.machine, bool_or(${hasFailed}) as failed, bool_or(${isBehind}) as behind
      from machine_projects mp where (${hasFailed} or ${isBehind}) and ${ofProjects(filter)} group by mp.machine
    )
    select m.region, count(*)::int as machines,
      count(*) filter (where told.failed)::int as failed,
      count(*) filter (where told.failed is not true and not ${isOnline})::int as offline,
      count(*) filter (where told.failed is not true and ${isOnline} and told.behind)::int as behind,
      count(*) filter (where ${isOnline} and told.failed is not true and told.behind is not true)::int as done
    from machines m left join told on told.machine = m.id
    where ${sql.join([sql`true`, ...conditionsOf(filter)], sql` and `)}
    group by m.region order by m.region`);
  return rows as unknown as MachineCounts[];
}
