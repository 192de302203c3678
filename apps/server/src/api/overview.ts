import { asc, desc, eq, sql } from 'drizzle-orm';
import { builds, deployments, jobs, projects } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import { isOnline } from '../fleet/online.ts';
import { gatherChanges } from './change-feed.ts';
import type { Caller, Context } from './context.ts';
import { deploymentColumns } from './deployment-columns.ts';
import { jobColumns } from './job-columns.ts';
import { projectColumns } from './projects.ts';
import { keysOfRegion, type ShownKey } from './region-keys.ts';
import { somewhere, visibleIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

/** One cell of the version × region matrix. */
export interface RegionOfProject {
  region: string;
  /** The build that the region's key names, the candidate's before the stable one; null when there is none. */
  desiredBuild: string | null;
  machines: number;
  online: number;
  /** What machines say they run, most common first. */
  observed: { build: string | null; machines: number }[];
  /** Online machines that run what they are told to. */
  upToDate: number;
  failed: number;
}

type CellRow = {
  project: string;
  region: string;
  build: string | null;
  machines: number;
  upToDate: number;
  failed: number;
};

async function cellsOf(database: Database) {
  const [rows, fleet] = await Promise.all([
    database.execute(sql`
      select mp.project, m.region, mp.observed_build as build, count(*)::int as machines,
        count(*) filter (where ${isOnline} and mp.observed_build is not distinct from mp.desired_build and mp.step = 'COMMITTED')::int as "upToDate",
        count(*) filter (where ${isOnline} and mp.step = 'FAILED')::int as failed
      from machine_projects mp join machines m on m.id = mp.machine
      group by 1, 2, 3 order by 4 desc`),
    database.execute(sql`
      select r.name as region, count(m.id)::int as machines, count(*) filter (where m.id is not null and ${isOnline})::int as online,
        max(m.last_seen_at) as "heardAt"
      from regions r left join machines m on m.region = r.name group by r.name, r.position order by r.position`),
  ]);
  return {
    rows: rows as unknown as CellRow[],
    fleet: (fleet as unknown as { region: string; machines: number; online: number; heardAt: string | null }[]).map(
      (row) => ({
        ...row,
        heardAt: row.heardAt === null ? null : new Date(row.heardAt),
      }),
    ),
  };
}

const desiredBuildOf = (key: ShownKey | undefined) => key?.candidate?.build ?? key?.stable?.build ?? null;

async function readOverview(database: Database, ctx: Context & { caller: Caller }) {
  const { rows, fleet } = await cellsOf(database);
  const keysByRegion = new Map(
    await Promise.all(
      fleet.map(
        async ({ region }) => [region, await keysOfRegion(ctx.versionKeys, database, region, ctx.clock)] as const,
      ),
    ),
  );
  const everyProject = await database
    .select(projectColumns)
    .from(projects)
    .where(visibleIn(ctx.caller, projects.name))
    .orderBy(asc(projects.name));
  const described = await Promise.all(
    everyProject.map(async (project) => {
      const [deployment] = await database
        .select({ deployment: deploymentColumns, commitSha: builds.commitSha, commitSubject: builds.commitSubject })
        .from(deployments)
        .innerJoin(builds, eq(builds.id, deployments.buildId))
        .where(eq(deployments.project, project.name))
        .orderBy(desc(deployments.id))
        .limit(1);
      const [job] = await database
        .select(jobColumns)
        .from(jobs)
        .where(eq(jobs.project, project.name))
        .orderBy(desc(jobs.id))
        .limit(1);
      const cells = fleet.map(({ region, machines, online }): RegionOfProject => {
        const ofCell = rows.filter((row) => row.project === project.name && row.region === region);
        const key = keysByRegion.get(region)?.keys.find((candidate) => candidate.project === project.name);
        return {
          region,
          desiredBuild: desiredBuildOf(key),
          machines,
          online,
          observed: ofCell.map(({ build, machines: count }) => ({ build, machines: count })),
          upToDate: ofCell.reduce((sum, row) => sum + row.upToDate, 0),
          failed: ofCell.reduce((sum, row) => sum + row.failed, 0),
        };
      });
      return {
        ...project,
        regions: cells,
        lastDeployment: deployment
          ? { ...deployment.deployment, commitSha: deployment.commitSha, commitSubject: deployment.commitSubject }
          : null,
        lastJob: job ?? null,
      };
    }),
  );
  const regions = fleet.map((row) => ({
    ...row,
    /** Why the builds that its keys name are only the last known ones; null when its key store answered. */
    keysError: keysByRegion.get(row.region)?.error ?? null,
  }));
  return { projects: described, regions, serverTime: new Date(ctx.clock.now()), version: ctx.version };
}

export const overviewRouter = router({
  /** What runs where, what is wrong and what changed last: the first screen in one read. */
  get: needs('view', somewhere).query(({ ctx }) => ctx.reader.read((database) => readOverview(database, ctx))),

  /** The topics that changed, a few times a second at most; the first frame names them all. */
  changes: needs('view', somewhere).subscription(async function* ({ ctx, signal }) {
    yield* gatherChanges(ctx.changes, 250, signal ?? new AbortController().signal);
  }),
});
