import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { buildId, projectName } from '@starling/shared/words.ts';
import { and, asc, desc, eq, inArray, isNotNull, isNull, like, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import { builds, deployments, jobs, quarantines, regions, replicas } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';
import { newestOf } from '../db/newest-of.ts';
import { commitsBetween } from '../diff/commits-between.ts';
import { readManifest } from '../diff/read-manifest.ts';
import { diffTrees } from '../diff/trees.ts';
import { deploymentColumns } from './deployment-columns.ts';
import { inspectBuild } from './inspect-build.ts';
import { jobColumns } from './job-columns.ts';
import { ofBuild, ofProject, somewhere, visibleNames, within } from './scopes.ts';
import { needs, router } from './trpc.ts';

export type Build = typeof builds.$inferSelect;
export type Replica = typeof replicas.$inferSelect;

/** Why a build cannot be deployed now, in a sentence; null when it can. */
export function whyNotDeployable(ofBuild: readonly Replica[], regionNames: readonly string[]): string | null {
  const there = new Set(ofBuild.filter((replica) => replica.status === 'REPLICATED').map((replica) => replica.region));
  const missing = regionNames.filter((region) => !there.has(region));
  if (missing.length === 0) return null;
  const details = missing.map((region) => {
    const replica = ofBuild.find((candidate) => candidate.region === region);
    if (!replica) return `${region} has no replica`;
    if (replica.status === 'FAILED') return `${region} FAILED: ${replica.failureReason ?? 'unknown reason'}`;
    const percent = replica.bytesTotal > 0 ? Math.floor((replica.bytesDone / replica.bytesTotal) * 100) : 0;
    return `${region} ${replica.status} ${percent} %`;
  });
  return `${there.size} of ${regionNames.length} regions have it; ${details.join(', ')}`;
}

export async function regionNames(database: Queryable): Promise<string[]> {
  const rows = await database.select({ name: regions.name }).from(regions).orderBy(asc(regions.position));
  return rows.map((row) => row.name);
}

/** What `findBuild` takes. */
export const buildReference = z.string().min(4).max(200);

/**
 * The build a person means: its id, or the first digits of its commit (the newest build of that commit). NOT_FOUND when
 * there is none, CONFLICT when several commits begin so.
 */
export async function findBuild(database: Queryable, project: string, name: string): Promise<Build> {
  const isSha = /^[0-9a-f]{4,64}$/.test(name);
  const found = await database
    .select()
    .from(builds)
    .where(and(eq(builds.project, project), isSha ? like(builds.commitSha, `${name}%`) : eq(builds.id, name)))
    .orderBy(desc(builds.createdAt))
    .limit(20);
  if (new Set(found.map((build) => build.commitSha)).size > 1) {
    throw new StarlingError('CONFLICT', `Builds of several commits begin with ${name}.`, {
      field: 'build',
      fix: 'Give more digits of the SHA.',
    });
  }
  const build = found[0];
  if (build) return build;
  throw new StarlingError('NOT_FOUND', `${project} has no build "${name}".`, {
    field: 'build',
    fix: `List what there is with: starling builds ${project}`,
  });
}

/** Builds with their replicas, whether they can be deployed, and whether they ever ran well. */
async function describeBuilds(database: Queryable, rows: Build[]) {
  const ids = rows.map((build) => build.id);
  if (ids.length === 0) return [];
  const everywhere = await regionNames(database);
  const ofAll = await database.select().from(replicas).where(inArray(replicas.buildId, ids));
  const successes = await database
    .select({ buildId: deployments.buildId })
    .from(deployments)
    .where(and(inArray(deployments.buildId, ids), eq(deployments.status, 'SUCCEEDED')));
  const proven = new Set(successes.map((row) => row.buildId));
  return rows.map((build) => {
    const ofBuild = ofAll.filter((replica) => replica.buildId === build.id);
    ofBuild.sort((a, b) => everywhere.indexOf(a.region) - everywhere.indexOf(b.region));
    const notDeployableBecause = build.expiredAt ? 'it has expired' : whyNotDeployable(ofBuild, everywhere);
    return {
      ...build,
      replicas: ofBuild,
      deployable: notDeployableBecause === null,
      notDeployableBecause,
      /** A deployment of it has SUCCEEDED. */
      proven: proven.has(build.id),
    };
  });
}

/** Newest first; of these projects, or of all. NOT_FOUND when there is no build `before`. */
async function newestBuilds(
  database: Queryable,
  wanted: readonly string[] | undefined,
  { before, limit }: { before?: string | undefined; limit: number },
): Promise<Build[]> {
  const conditions: SQL[] = [];
  if (before !== undefined) {
    const [last] = await database.select({ at: builds.createdAt }).from(builds).where(eq(builds.id, before));
    if (!last) throw new StarlingError('NOT_FOUND', `There is no build "${before}".`, { field: 'before' });
    const place = sql`(${last.at.toISOString()}::timestamptz, ${before})`;
    conditions.push(sql`(${builds.createdAt}, ${builds.id}) < ${place}`);
  }
  if (wanted) {
    const newest = { conditions: [...conditions], newestFirst: [builds.createdAt, builds.id], limit };
    conditions.push(newestOf(builds, builds, wanted, newest));
  }
  return database
    .select()
    .from(builds)
    .where(and(...conditions))
    .orderBy(desc(builds.createdAt), desc(builds.id))
    .limit(limit);
}

const mostFiles = 500;

export const buildsRouter = router({
  /** What changes when machines go from one build of a project to another: commits both ways, files, bytes. */
  diff: needs('view', ofProject)
    .input(
      z.object({
        project: projectName,
        /** Build ids, or the first digits of their commits' SHAs. */
        from: buildReference,
        to: buildReference,
      }),
    )
    .query(async ({ ctx, input: { project, ...named } }) => {
      const [from, to] = [
        await findBuild(ctx.database, project, named.from),
        await findBuild(ctx.database, project, named.to),
      ];
      const [added, removed] = [
        await commitsBetween(ctx.database, project, from.commitSha, to.commitSha),
        await commitsBetween(ctx.database, project, to.commitSha, from.commitSha),
      ];
      const base = { from: from.id, to: to.id, added, removed };
      try {
        const before = await readManifest(ctx.stores.main, from.manifestDigest);
        const after = await readManifest(ctx.stores.main, to.manifestDigest);
        return { ...base, tree: diffTrees(before, after, mostFiles), noTreeBecause: null };
      } catch (thrown) {
        // Of builds whose bytes are gone the commits are still known.
        return { ...base, tree: null, noTreeBecause: messageOf(thrown) };
      }
    }),

  /** Newest first. */
  list: needs('view', somewhere)
    .input(
      z.object({
        project: projectName.optional(),
        /** The id of the last one of the page before. */
        before: buildId.optional(),
        limit: z.number().int().min(1).max(200).default(50),
      }),
    )
    .query(({ ctx, input }) => {
      const wanted = within(visibleNames(ctx.caller), input.project);
      return ctx.reader.read(async (database) => describeBuilds(database, await newestBuilds(database, wanted, input)));
    }),

  get: needs('view', ofBuild)
    .input(z.object({ id: buildId }))
    .query(async ({ ctx, input }) => {
      const build = await findBuild(ctx.database, input.id.split('@')[0]!, input.id);
      const [described] = await describeBuilds(ctx.database, [build]);
      const [job] = await ctx.database.select(jobColumns).from(jobs).where(eq(jobs.id, build.jobId));
      const history = await ctx.database
        .select(deploymentColumns)
        .from(deployments)
        .where(eq(deployments.buildId, build.id))
        .orderBy(desc(deployments.id))
        .limit(20);
      return { ...described!, job: job!, deployments: history };
    }),

  /** What it is made of: sizes, what of it was new, the packs that it names and which builds brought them. */
  inspect: needs('view', ofBuild)
    .input(z.object({ id: buildId }))
    .query(async ({ ctx, input }) =>
      inspectBuild(ctx.database, await findBuild(ctx.database, input.id.split('@')[0]!, input.id)),
    ),

  /** The version picker: every recent build of a project, what runs now and what was last good. */
  versions: needs('view', ofProject)
    .input(z.object({ project: projectName }))
    .query(async ({ ctx, input }) => {
      const rows = await ctx.database
        .select()
        .from(builds)
        .where(eq(builds.project, input.project))
        .orderBy(desc(builds.createdAt))
        .limit(50);
      const { current, lastGood } = await currentAndLastGood(ctx.database, input.project);
      const described = await describeBuilds(ctx.database, rows);
      const held = await ctx.database
        .select({ build: quarantines.buildId, reason: quarantines.reason })
        .from(quarantines)
        .where(and(eq(quarantines.project, input.project), isNull(quarantines.liftedAt)));
      const quarantined = new Map(held.map(({ build, reason }) => [build, reason]));
      return described.map((build) => ({
        ...build,
        current: build.id === current,
        lastGood: build.id === lastGood,
        /** Why it is in quarantine; null when it is not. */
        quarantined: quarantined.get(build.id) ?? null,
      }));
    }),
});

/**
 * What a project runs now (the build of its newest deployment that is under way or held), and where a rollback goes by
 * default: what ran well before a deployment that is under way or failed, else the newest proven build that is older
 * than the current one, so that rolling back twice goes further back, not forward again.
 */
export async function currentAndLastGood(database: Queryable, project: string) {
  const recent = await database
    .select({
      buildId: deployments.buildId,
      status: deployments.status,
      kind: deployments.kind,
      builtAt: builds.createdAt,
      isQuarantined: sql<boolean>`exists (select from ${quarantines}
        where ${quarantines.buildId} = ${deployments.buildId} and ${quarantines.liftedAt} is null)`,
    })
    .from(deployments)
    .innerJoin(builds, eq(builds.id, deployments.buildId))
    // One that waits has changed nothing yet, and one that never began did not either.
    .where(and(eq(deployments.project, project), isNotNull(deployments.startedAt)))
    .orderBy(desc(deployments.startedAt), desc(deployments.id))
    .limit(200);
  const newest = recent[0];
  if (!newest) return { current: null, lastGood: null };
  const isRollback = newest.kind === 'ROLLBACK' && newest.status !== 'ABORTED';
  const current = recent.find(
    (row) => (row === newest && isRollback) || row.status === 'RUNNING' || row.status === 'SUCCEEDED',
  );
  const held = isRollback || newest.status === 'SUCCEEDED';
  const good = recent.find(
    (row) =>
      row.status === 'SUCCEEDED' &&
      !row.isQuarantined &&
      row.buildId !== newest.buildId &&
      (!held || row.builtAt < newest.builtAt),
  );
  return { current: current?.buildId ?? null, lastGood: good?.buildId ?? null };
}
