import { StarlingError } from '@starling/shared/errors.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { and, asc, eq, inArray, isNull, type SQL, sql } from 'drizzle-orm';
import { builds, jobs, projects } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import type { Database, Queryable } from '../db/connect.ts';

// Which builds are past keeping. A build expires when it is neither among the newest of its project nor young, and
// nothing holds it. What holds a build, whatever the policy says: it runs somewhere or is told to, a deployment of it is
// under way or waits, or it is one of the builds that on-call may roll back to.

/** How many builds that ran well are kept to roll back to, newest first. */
export const rollbackCandidates = 5;

const held = (build: SQL) => sql`(
  exists (select 1 from machine_projects mp where mp.project = b.project and mp.observed_build = ${build})
  or exists (select 1 from deployments d where d.project = b.project and d.status in ('WAITING', 'RUNNING')
    and ${build} in (d.build_id, d.previous_build_id))
  or exists (select 1 from version_keys k where k.project = b.project
    and ${build} in (k.document #>> '{stable,build}', k.document #>> '{candidate,build}'))
  or ${build} in (
    select d.build_id from deployments d where d.project = b.project and d.status = 'SUCCEEDED'
    group by d.build_id order by max(d.id) desc limit ${sql.raw(String(rollbackCandidates))}))`;

export interface ExpiringBuild {
  id: string;
  createdAt: Date;
  manifestBytes: number;
}

/** The builds of a project that its policy no longer keeps and that are still in service, oldest first. */
export async function expiringBuilds(database: Queryable, project: string): Promise<ExpiringBuild[]> {
  const [row] = await database.select().from(projects).where(eq(projects.name, project));
  const { keepBuilds, keepFor } = settingsOf(row?.settings).retention;
  const found = (await database.execute(sql`
    select b.id, b.created_at as "createdAt", b.manifest_bytes as "manifestBytes"
    from (
      select * from builds where project = ${project} and expired_at is null
      order by created_at desc, id desc offset ${keepBuilds}
    ) b
    where b.created_at < now() - ${keepFor} * interval '1 millisecond' and not ${held(sql`b.id`)}
    order by b.created_at, b.id`)) as unknown as (Omit<ExpiringBuild, 'createdAt'> & { createdAt: string })[];
  return found.map((build) => ({
    ...build,
    createdAt: new Date(build.createdAt),
    manifestBytes: Number(build.manifestBytes),
  }));
}

/**
 * Refuses a build that is past keeping, also one that no sweep has come to yet: what runs out at night must not be
 * deployed in the evening. Call it within the transaction that holds the project's row lock, which the sweep takes too.
 * Throws PRECONDITION_FAILED.
 */
export async function insistKept(database: Queryable, build: typeof builds.$inferSelect): Promise<void> {
  const expired =
    build.expiredAt !== null || (await expiringBuilds(database, build.project)).some(({ id }) => id === build.id);
  if (!expired) return;
  throw new StarlingError(
    'PRECONDITION_FAILED',
    `${build.id} has expired: the policy of ${build.project} keeps it no longer.`,
    {
      field: 'build',
      fix: `Build its commit again: starling build ${build.project} ${build.commitSha.slice(0, 12)} --force`,
    },
  );
}

/**
 * Takes out of service what the policy of a project no longer keeps. From then on nobody can deploy it, and the sweep
 * may take its bytes. `actor` is who asked for it. Returns the builds.
 */
export async function expireBuilds(database: Database, project: string, actor = 'starling'): Promise<string[]> {
  return database.transaction(async (tx) => {
    // A deployment that is just being asked for holds the same lock; whoever comes second sees what the first did.
    await tx.execute(sql`select 1 from projects where name = ${project} for update`);
    const ids = (await expiringBuilds(tx, project)).map(({ id }) => id);
    if (ids.length === 0) return [];
    await tx
      .update(builds)
      .set({ expiredAt: sql`now()` })
      .where(and(inArray(builds.id, ids), isNull(builds.expiredAt)));
    // Who asks for the commit again gets it built again.
    await tx
      .update(jobs)
      .set({ commitKey: null })
      .where(inArray(jobs.id, tx.select({ id: builds.jobId }).from(builds).where(inArray(builds.id, ids))));
    await announce(tx, 'replicas');
    const target = ids.length === 1 ? ids[0]! : `${ids.length} builds`;
    await recordAudit(tx, { actor, action: 'build.expire', project, target, details: { builds: ids } });
    return ids;
  });
}

export async function projectNames(database: Queryable): Promise<string[]> {
  const rows = await database.select({ name: projects.name }).from(projects).orderBy(asc(projects.name));
  return rows.map(({ name }) => name);
}
