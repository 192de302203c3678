import type { RolloutPlan, RolloutSettings } from '@starling/shared/rollout-plan.ts';
import { checksOf } from '@starling/shared/rollout-plan.ts';
import { and, eq, inArray, sql } from 'drizzle-orm';
import { builds } from '../../../../drizzle/schema/index.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Queryable } from '../db/connect.ts';
import { readManifestBytes } from '../diff/read-manifest.ts';
import { isOnline } from '../fleet/online.ts';
import { nextSalt, planFor, previewWaves } from '../steering/plan.ts';
import type { KnownRegion } from './foretell.ts';
import type { ThreadWork } from './thread.ts';

// What a forecast goes by: who runs what now, in which waves it goes, what earlier deployments measured, and the manifests.

/** Builds that machines run, of which the manifests are read; the others are run by few. */
const mostBases = 4;
/** As many builds back as patches lead. */
const mostAncestors = 4;
/** Manifests that are larger, all together, take longer to read than people wait. */
const mostManifestBytes = 96 * 1024 * 1024;
const budgetMs = 700;

export interface Asked {
  project: string;
  build: Pick<
    typeof builds.$inferSelect,
    'id' | 'manifestDigest' | 'manifestBytes' | 'packBytes' | 'streamBytes' | 'createdAt'
  >;
  /** How it is asked for; null goes to everyone at once. */
  rollout: RolloutSettings | null;
  /** Of a deployment that was recorded: its own. */
  recorded?: { plan: RolloutPlan | null; salt: string };
}

/** Reads all of it. What cannot be read of manifests is left out, and the forecast says so. */
export async function whatIsKnown(where: Queryable, store: BlobStore, asked: Asked): Promise<ThreadWork> {
  const { project, build } = asked;
  const plan = asked.recorded ? asked.recorded.plan : asked.rollout && (await planFor(where, build.id, asked.rollout));
  const regions = await regionsOf(where, project);
  const salt = asked.recorded?.salt ?? (await nextSalt(where, project, build.id));
  const everyone = regions.map(({ region, bases }) => ({
    region,
    machines: bases.reduce((sum, { machines }) => sum + machines, 0),
  }));
  const waves = plan ? (await previewWaves(where, plan, salt)).waves : [{ wave: 1, bakeMs: 0, regions: everyone }];
  let room = mostManifestBytes - build.manifestBytes;
  const read = async (digest: string) => readManifestBytes(store, digest).catch(() => undefined);
  const target = room >= 0 ? await read(build.manifestDigest) : undefined;
  const bases = [];
  const ancestors = [];
  if (target) {
    for (const of of await basesOf(where, project, build.id, regions)) {
      if (of.manifestBytes > room) continue;
      const bytes = await read(of.manifestDigest);
      if (!bytes) continue;
      room -= bytes.length;
      bases.push({ build: of.id, digest: of.manifestDigest, bytes });
    }
    for (const of of await before(where, project, build)) {
      if (of.manifestBytes > room || bases.some(({ digest }) => digest === of.manifestDigest)) continue;
      const bytes = await read(of.manifestDigest);
      if (!bytes) continue;
      room -= bytes.length;
      ancestors.push({ digest: of.manifestDigest, bytes });
    }
  }
  const known = {
    ...{ build: build.id, packBytes: build.packBytes, streamBytes: build.streamBytes, regions },
    waves: waves.map(({ wave, bakeMs, regions: reached }) => ({
      ...{ wave, bakeMs },
      regions: reached.map(({ region, machines }) => ({ region, machines })),
    })),
    installMs: await measuredInstall(where, project),
    checksAreMeasured: plan !== null && checksOf(plan, 'before').length > 0,
  };
  return { known, target, bases, ancestors, budgetMs };
}

async function regionsOf(where: Queryable, project: string): Promise<KnownRegion[]> {
  const rows = (await where.execute(sql`
    select r.name as region, p.observed_build as build, count(m.id)::int as machines,
      count(distinct m.labels ->> 'rack')::int as racks
    from regions r
    left join machines m on m.region = r.name and ${isOnline}
    left join machine_projects p on p.machine = m.id and p.project = ${project}
    group by r.name, r.position, p.observed_build order by r.position, machines desc`)) as unknown as {
    region: string;
    build: string | null;
    machines: number;
    racks: number;
  }[];
  const rates = await measuredRates(where);
  return [...Map.groupBy(rows, ({ region }) => region)].map(([region, of]) => ({
    region,
    bases: of.filter(({ machines }) => machines > 0).map(({ build, machines }) => ({ build, machines })),
    racks: Math.max(...of.map(({ racks }) => racks)),
    bytesPerSecond: rates.get(region),
  }));
}

/** What the machines of a region reached in its last deployment that moved enough to tell, whichever project's that was. */
async function measuredRates(where: Queryable): Promise<Map<string, number>> {
  const rows = (await where.execute(sql`
    select distinct on (one.region) one.region, one."bytesPerSecond" as rate
    from (select id, measured from deployments where measured is not null order by id desc limit 200) d
    cross join lateral jsonb_to_recordset(d.measured -> 'regions') as one(region text, "bytesPerSecond" float8)
    where one."bytesPerSecond" > 0
    order by one.region, d.id desc`)) as unknown as { region: string; rate: number }[];
  return new Map(rows.map(({ region, rate }) => [region, rate]));
}

/** The median of its last deployments. */
async function measuredInstall(where: Queryable, project: string): Promise<number | undefined> {
  const rows = (await where.execute(sql`
    select (measured ->> 'installMs')::float8 as ms from deployments
    where project = ${project} and measured ->> 'installMs' is not null and kind = 'DEPLOY'
    order by id desc limit 5`)) as unknown as { ms: number }[];
  const sorted = rows.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

async function basesOf(where: Queryable, project: string, target: string, regions: readonly KnownRegion[]) {
  const counts = new Map<string, number>();
  for (const { build, machines } of regions.flatMap(({ bases }) => bases))
    if (build !== null && build !== target) counts.set(build, (counts.get(build) ?? 0) + machines);
  const ids = [...counts].toSorted((a, b) => b[1] - a[1]).slice(0, mostBases);
  if (ids.length === 0) return [];
  const names = ids.map(([id]) => id);
  return where
    .select({ id: builds.id, manifestDigest: builds.manifestDigest, manifestBytes: builds.manifestBytes })
    .from(builds)
    .where(and(eq(builds.project, project), inArray(builds.id, names)));
}

async function before(where: Queryable, project: string, { id, createdAt }: Asked['build']) {
  return (await where.execute(sql`
    select manifest_digest as "manifestDigest", manifest_bytes::float8 as "manifestBytes" from builds
    where project = ${project} and created_at <= ${createdAt.toISOString()}::timestamptz and id <> ${id}
    order by created_at desc limit ${mostAncestors}`)) as unknown as {
    manifestDigest: string;
    manifestBytes: number;
  }[];
}
