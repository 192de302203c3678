import { type SQL, sql } from 'drizzle-orm';
import { isOnline } from './online.ts';

// What a machine is in lists, over all its projects (or the one that is asked for), worst first. The first that is true:
//
// - failed: it says of a project that the last update FAILED;
// - offline: its hub has not spoken of it lately;
// - behind: it runs something else than it was told to;
// - done: it runs what it was told to.

export const machineStates = ['failed', 'offline', 'behind', 'done'] as const;
export type MachineState = (typeof machineStates)[number];

export interface MachineFilter {
  region?: string | undefined;
  project?: string | undefined;
  /** How its name begins; or `label=value`, which it must have. */
  find?: string | undefined;
  /** What it says it runs. */
  build?: string | undefined;
}

export interface Visibility {
  /** The projects that the caller may see; undefined when those are all. */
  visible: readonly string[] | undefined;
}

/** A condition on rows of `machine_projects` as `mp`: only what the filter and the caller's rights leave. */
export function ofProjects({ project, visible }: Pick<MachineFilter, 'project'> & Visibility): SQL {
  const parts = [sql`true`];
  if (project) parts.push(sql`mp.project = ${project}`);
  if (visible) parts.push(visible.length > 0 ? sql`mp.project in ${[...visible]}` : sql`false`);
  return sql.join(parts, sql` and `);
}

// As the indexes of `machine_projects` spell them: only then are they used.
export const hasFailed = sql`mp.step = 'FAILED'`;
export const isBehind = sql`mp.is_behind`;

/** A condition on `machines` as `m`: one of its rows in `machine_projects` is so. `after` is for an index that is in that order. */
function says(what: SQL, projects: SQL, after: string | undefined): SQL {
  const later = after === undefined ? sql`` : sql`and mp.machine > ${after}`;
  return sql`exists (select 1 from machine_projects mp where mp.machine = m.id and ${what} and ${projects} ${later})`;
}

/** Conditions on `machines` as `m` for all of a filter. */
export function conditionsOf(filter: MachineFilter & Visibility, after?: string): SQL[] {
  const { region, find, build } = filter;
  const conditions: SQL[] = [];
  if (region) conditions.push(sql`m.region = ${region}`);
  if (find) conditions.push(found(find));
  if (build) {
    const runs = sql`mp.project = ${build.split('@')[0]!} and mp.observed_build = ${build}`;
    conditions.push(says(runs, ofProjects(filter), after));
  }
  if (after !== undefined) conditions.push(sql`m.id > ${after}`);
  return conditions;
}

function found(find: string): SQL {
  const label = /^([^=]+)=(.*)$/.exec(find);
  if (label) return sql`m.labels @> ${JSON.stringify({ [label[1]!]: label[2]! })}::jsonb`;
  // What a name cannot contain is no wildcard either.
  return sql`m.id like ${`${find.replace(/[\\%_]/g, '\\$&')}%`}`;
}

/** The condition on `machines` as `m` of being in a state. */
export function isIn(state: MachineState, filter: MachineFilter & Visibility, after?: string): SQL {
  const projects = ofProjects(filter);
  const failed = says(hasFailed, projects, after);
  const behind = says(isBehind, projects, after);
  switch (state) {
    case 'failed':
      return failed;
    case 'offline':
      return sql`not ${isOnline} and not ${failed}`;
    case 'behind':
      return sql`${isOnline} and not ${failed} and ${behind}`;
    case 'done':
      return sql`${isOnline} and not ${failed} and not ${behind}`;
  }
}
