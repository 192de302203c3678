import type { DeploymentKind, DeploymentStatus } from '@starling/shared/words.ts';
import { and, desc, eq, inArray, like, lt, type SQL } from 'drizzle-orm';
import { builds, deployments } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';
import { withinPeriod } from '../db/id-range.ts';
import { newestOf } from '../db/newest-of.ts';

export interface HistoryFilter {
  project?: string | undefined;
  /** A build id, or the first digits of a commit's SHA. */
  build?: string | undefined;
  person?: string | undefined;
  kind?: DeploymentKind | undefined;
  status?: DeploymentStatus | undefined;
  /** Asked for at or after this. */
  from?: Date | undefined;
  /** Asked for at or before this. */
  to?: Date | undefined;
}

export interface HistoryPage {
  /** The number of the last one of the page before: pages stay put while new ones are added. */
  before?: number | undefined;
  limit: number;
  /** The projects that the caller may see; undefined when those are all. */
  visible: readonly string[] | undefined;
}

/**
 * Who deployed what, when, why and how it ended, newest first. How many machines did what is in `outcome`: counting them again
 * would read all machines of every deployment on the page.
 */
export async function deploymentHistory(where: Queryable, filter: HistoryFilter, page: HistoryPage) {
  const named = filter.build === undefined ? undefined : await buildsNamed(where, filter.build, filter.project);
  if (named?.length === 0) return [];
  const conditions = await conditionsOf(where, filter, named);
  if (page.before) conditions.push(lt(deployments.id, page.before));
  if (page.visible) {
    const newest = { conditions: [...conditions], newestFirst: [deployments.id], limit: page.limit };
    conditions.push(newestOf(deployments, deployments, page.visible, newest));
  }
  const rows = await where
    .select({
      id: deployments.id,
      project: deployments.project,
      buildId: deployments.buildId,
      previousBuildId: deployments.previousBuildId,
      kind: deployments.kind,
      status: deployments.status,
      requestedBy: deployments.requestedBy,
      reason: deployments.reason,
      outcome: deployments.outcome,
      hotfix: deployments.hotfix,
      createdAt: deployments.createdAt,
      startedAt: deployments.startedAt,
      finishedAt: deployments.finishedAt,
      commitSha: builds.commitSha,
      commitSubject: builds.commitSubject,
      commitAuthor: builds.commitAuthor,
    })
    .from(deployments)
    .innerJoin(builds, eq(builds.id, deployments.buildId))
    .where(and(...conditions))
    .orderBy(desc(deployments.id))
    .limit(page.limit);
  return rows.map((row) => ({
    ...row,
    /** From its beginning to its end; null while it has none. */
    tookMs: row.finishedAt && row.startedAt ? row.finishedAt.getTime() - row.startedAt.getTime() : null,
  }));
}

async function conditionsOf(
  where: Queryable,
  filter: HistoryFilter,
  named: readonly string[] | undefined,
): Promise<SQL[]> {
  const { project, person, kind, status } = filter;
  const conditions = await withinPeriod(where, deployments, { id: deployments.id, at: deployments.createdAt }, filter);
  if (project) conditions.push(eq(deployments.project, project));
  if (named) conditions.push(inArray(deployments.buildId, [...named]));
  if (person) conditions.push(eq(deployments.requestedBy, person));
  if (kind) conditions.push(eq(deployments.kind, kind));
  if (status) conditions.push(eq(deployments.status, status));
  return conditions;
}

/** More builds than this are not told apart by so short a name. */
const mostBuilds = 1_000;

async function buildsNamed(where: Queryable, name: string, project: string | undefined): Promise<string[]> {
  const isSha = /^[0-9a-f]{4,64}$/.test(name);
  const rows = await where
    .select({ id: builds.id })
    .from(builds)
    .where(
      and(
        project ? eq(builds.project, project) : undefined,
        isSha ? like(builds.commitSha, `${name}%`) : eq(builds.id, name),
      ),
    )
    .limit(mostBuilds);
  return rows.map(({ id }) => id);
}
