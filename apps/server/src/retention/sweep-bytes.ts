import { and, asc, eq, isNotNull, isNull, sql } from 'drizzle-orm';
import { builds, replicas } from '../../../../drizzle/schema/index.ts';
import { type BlobStore, manifestKey } from '../blobs/blob-store.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';

// The manifests of expired builds go, region after region, the main store last, each before the row that says where it is.
// A sweep that is cut off at any point is gone on with by the next: deleting what is not there is no error, and a build
// counts as swept only when all of it is gone. In between it is expired, so nobody asks for its bytes. Packs go when no
// build that is kept names them: `sweep-packs.ts`.

export interface BuildStores {
  main: BlobStore;
  /** By region; a region that is no longer configured has rows but no store, and only its rows go. */
  regions: ReadonlyMap<string, BlobStore>;
}

export interface SweptBuild {
  id: string;
  project: string;
  /** Bytes of the manifest that were let go, over all stores. */
  freedBytes: number;
}

/** Sweeps the manifests of expired builds, oldest first, `most` at most. */
export async function sweepBuilds(
  database: Database,
  stores: BuildStores,
  { most, signal }: { most: number; signal: AbortSignal },
): Promise<SweptBuild[]> {
  const due = await database
    .select()
    .from(builds)
    .where(and(isNotNull(builds.expiredAt), isNull(builds.sweptAt)))
    .orderBy(asc(builds.expiredAt), asc(builds.id))
    .limit(most);
  const swept: SweptBuild[] = [];
  for (const build of due) {
    if (signal.aborted) break;
    swept.push(await sweepBuild(database, stores, build));
  }
  return swept;
}

async function sweepBuild(
  database: Database,
  stores: BuildStores,
  build: typeof builds.$inferSelect,
): Promise<SweptBuild> {
  let freedBytes = 0;
  const removeFrom = async (store: BlobStore) => {
    await store.delete(manifestKey(build.manifestDigest));
    freedBytes += build.manifestBytes;
  };
  const copies = await database.select().from(replicas).where(eq(replicas.buildId, build.id));
  for (const { region } of copies) {
    const store = stores.regions.get(region);
    if (store) await removeFrom(store);
    await database.transaction((tx) =>
      tx.delete(replicas).where(and(eq(replicas.buildId, build.id), eq(replicas.region, region))),
    );
  }
  await removeFrom(stores.main);
  await database.transaction(async (tx) => {
    await tx.update(builds).set({ sweptAt: sql`now()` }).where(eq(builds.id, build.id));
    await announce(tx, 'replicas');
  });
  return { id: build.id, project: build.project, freedBytes };
}
