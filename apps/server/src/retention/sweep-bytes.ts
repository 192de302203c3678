import { and, asc, eq, isNotNull, isNull, ne, sql } from 'drizzle-orm';
import { builds, replicas } from '../../../../drizzle/schema/index.ts';
import { type BlobStore, manifestKey, packKey } from '../blobs/blob-store.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';

// Bytes go before the rows that say where they are, region after region, the main store last. A sweep that is cut off at
// any point is gone on with by the next: deleting what is not there is no error, and a build counts as swept only when
// all of it is gone. In between it is expired, so nobody asks for its bytes.

export interface BuildStores {
  main: BlobStore;
  /** By region; a region that is no longer configured has rows but no store, and only its rows go. */
  regions: ReadonlyMap<string, BlobStore>;
}

export interface SweptBuild {
  id: string;
  project: string;
  /** Bytes of the pack and manifest that were let go, over all stores. */
  freedBytes: number;
}

/** Sweeps the bytes of expired builds, oldest first, `most` at most. */
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
    await database.transaction(async (tx) => {
      // `completeJob` shares this lock: no build of the same tree, which has the same pack, turns up in between.
      await tx.execute(sql`select pg_advisory_xact_lock(hashtext('starling.packs'), hashtext(${build.packDigest}))`);
      const [other] = await tx
        .select({ id: builds.id })
        .from(builds)
        .where(and(eq(builds.packDigest, build.packDigest), ne(builds.id, build.id), isNull(builds.expiredAt)))
        .limit(1);
      if (other) return;
      await store.delete(packKey(build.packDigest));
      freedBytes += build.packBytes;
    });
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
