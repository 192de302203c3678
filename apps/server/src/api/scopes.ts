import { allProjects, type Permission, projectsWith } from '@starling/shared/permissions.ts';
import { eq, inArray, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { builds, deployments, freezeWindows, jobs } from '../../../../drizzle/schema/index.ts';
import type { Caller, Context } from './context.ts';

// Where a call needs its permission: in the project it concerns, in every project, or in any.

export interface Scope {
  name: string;
  /** The project concerned, `*` for all; undefined when there is none, or the input names nothing that is there. */
  projectOf(input: unknown, ctx: Context): Promise<string | undefined>;
}

const field = (input: unknown, name: string): unknown => (input as Record<string, unknown> | null | undefined)?.[name];
const numberIn = (input: unknown, name: string) => {
  const value = field(input, name);
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
};
const textIn = (input: unknown, name: string) => {
  const value = field(input, name);
  return typeof value === 'string' ? value : undefined;
};

/** For what is not of one project: accounts, regions, channels. */
export const everywhere: Scope = { name: 'everywhere', projectOf: async () => allProjects };

/** For what shows or does only what the caller may see, whichever projects that is: pair it with `visibleIn`. */
export const somewhere: Scope = { name: 'somewhere', projectOf: async () => undefined };

/** For what concerns the caller alone: every person may, also one without any role. */
export const signedIn: Scope = { name: 'signed in', projectOf: async () => undefined };

/** The project that the input names in its field `project`. */
export const ofProject: Scope = { name: 'project', projectOf: async (input) => textIn(input, 'project') };

/** The project that the input names in `project`; without one, all of them. */
export const ofProjectOrAll: Scope = {
  name: 'project or all',
  projectOf: async (input) => textIn(input, 'project') ?? allProjects,
};

/** The project that the input names; without one, whichever the caller may see: pair it with `visibleIn`. */
export const ofProjectOrVisible: Scope = {
  name: 'project or visible',
  projectOf: async (input) => textIn(input, 'project'),
};

/** The project of the job that the input names in `id`. */
export const ofJob: Scope = {
  name: 'job',
  projectOf: async (input, { database }) => {
    const id = numberIn(input, 'id');
    if (id === undefined) return undefined;
    const [job] = await database.select({ project: jobs.project }).from(jobs).where(eq(jobs.id, id));
    return job?.project;
  },
};

/** The project of the deployment that the input names in `id`. */
export const ofDeployment: Scope = {
  name: 'deployment',
  projectOf: async (input, { database }) => {
    const id = numberIn(input, 'id');
    if (id === undefined) return undefined;
    const [row] = await database
      .select({ project: deployments.project })
      .from(deployments)
      .where(eq(deployments.id, id));
    return row?.project;
  },
};

/** The project of the deployment that the input names in `deployment`, or of the build in `build`. */
export const ofDeploymentOrBuild: Scope = {
  name: 'deployment or build',
  projectOf: (input, ctx) =>
    numberIn(input, 'deployment') === undefined
      ? ofBuild.projectOf({ id: textIn(input, 'build') }, ctx)
      : ofDeployment.projectOf({ id: numberIn(input, 'deployment') }, ctx),
};

/** The project of the freeze that the input names in `id`; all of them for one that concerns all. */
export const ofFreeze: Scope = {
  name: 'freeze',
  projectOf: async (input, { database }) => {
    const id = numberIn(input, 'id');
    if (id === undefined) return undefined;
    const [row] = await database
      .select({ project: freezeWindows.project })
      .from(freezeWindows)
      .where(eq(freezeWindows.id, id));
    return row && (row.project ?? allProjects);
  },
};

/** The project of the build that the input names in `id`. */
export const ofBuild: Scope = {
  name: 'build',
  projectOf: async (input, { database }) => {
    const id = textIn(input, 'id');
    if (id === undefined) return undefined;
    const [row] = await database.select({ project: builds.project }).from(builds).where(eq(builds.id, id));
    return row?.project;
  },
};

/** The projects in which a caller has a permission: `*`, or their names. */
export const projectsOf = (caller: Caller, permission: Permission): typeof allProjects | string[] =>
  caller.kind === 'person' ? projectsWith(caller.grants, permission) : [];

/** The projects that a caller may see; undefined when those are all. */
export function visibleNames(caller: Caller): string[] | undefined {
  const names = projectsOf(caller, 'view');
  return names === allProjects ? undefined : names;
}

/** Of the projects that somebody may see, the one that is asked for; undefined when those are all. */
export function within(visible: string[] | undefined, project: string | undefined): string[] | undefined {
  if (project === undefined) return visible;
  return visible === undefined || visible.includes(project) ? [project] : [];
}

/** A condition that leaves only rows of projects which the caller may see; undefined when that is all of them. */
export function visibleIn(caller: Caller, project: PgColumn): SQL | undefined {
  const names = projectsOf(caller, 'view');
  if (names === allProjects) return undefined;
  return names.length > 0 ? inArray(project, names) : sql`false`;
}
