import type { DeploymentKind, DeploymentStatus } from '@starling/shared/words.ts';
import { and, asc, desc, eq, gte, inArray, like, lt, lte, or, type SQL, sql } from 'drizzle-orm';
import { builds, deploymentMachines, deployments } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';

export interface HistoryFilter {
  project?: string | undefined;
  /** A build id, or the first digits of a commit's SHA. */
  build?: string | undefined;
  person?: string | undefined;
  kind?: DeploymentKind | undefined;
  status?: DeploymentStatus | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

/**
 * Who deployed what, when, why and how it ended, newest first. Keyset pagination: `before` is the id of the last one of
 * the page before, so pages stay put while new ones are added. `visible` leaves out what the caller may not see.
 */
export async function deploymentHistory(
  where: Queryable,
  filter: HistoryFilter,
  page: { before?: number | undefined; limit: number; visible: SQL | undefined },
) {
  const rows = await historyQuery(where, filter, page);
  if (rows.length === 0) return [];
  const outcomes = await where
    .select({
      deployment: deploymentMachines.deployment,
      done: sql<number>`count(*) filter (where ${deploymentMachines.step} = 'COMMITTED')::int`,
      failed: sql<number>`count(*) filter (where ${deploymentMachines.step} = 'FAILED')::int`,
      machines: sql<number>`count(*)::int`,
    })
    .from(deploymentMachines)
    .where(
      inArray(
        deploymentMachines.deployment,
        rows.map(({ id }) => id),
      ),
    )
    .groupBy(deploymentMachines.deployment);
  return rows.map((row) => {
    const counted = outcomes.find(({ deployment }) => deployment === row.id);
    const tookMs = row.finishedAt && row.startedAt ? row.finishedAt.getTime() - row.startedAt.getTime() : null;
    return { ...row, tookMs, machines: counted?.machines ?? 0, done: counted?.done ?? 0, failed: counted?.failed ?? 0 };
  });
}

export function historyQuery(
  where: Queryable,
  { project, build, person, kind, status, from, to }: HistoryFilter,
  { before, limit, visible }: { before?: number | undefined; limit: number; visible: SQL | undefined },
) {
  const conditions: (SQL | undefined)[] = [visible];
  if (project) conditions.push(eq(deployments.project, project));
  if (build) conditions.push(inArray(deployments.buildId, buildsNamed(where, build, project)));
  if (person) conditions.push(eq(deployments.requestedBy, person));
  if (kind) conditions.push(eq(deployments.kind, kind));
  if (status) conditions.push(eq(deployments.status, status));
  if (from) conditions.push(gte(deployments.createdAt, from));
  if (to) conditions.push(lte(deployments.createdAt, to));
  if (before) conditions.push(lt(deployments.id, before));
  const isByTime = from !== undefined || to !== undefined;
  return (
    where
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
      // Numbers grow with time, so this is the same order; it lets a range of times be read from its own index.
      .orderBy(...(isByTime ? [desc(deployments.createdAt), desc(deployments.id)] : [desc(deployments.id)]))
      .limit(limit)
  );
}

function buildsNamed(where: Queryable, name: string, project: string | undefined) {
  const isSha = /^[0-9a-f]{4,64}$/.test(name);
  return where
    .select({ id: builds.id })
    .from(builds)
    .where(
      and(
        project ? eq(builds.project, project) : undefined,
        isSha ? or(eq(builds.id, name), like(builds.commitSha, `${name}%`)) : eq(builds.id, name),
      ),
    )
    .orderBy(asc(builds.id))
    .limit(1_000);
}
