import { and, asc, eq, inArray } from 'drizzle-orm';
import { buildPacks, builds, packs } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';

/** What a build is made of: its sizes, what of it was new, and the packs that it names, oldest first. */
export async function inspectBuild(database: Queryable, build: typeof builds.$inferSelect) {
  const { id, fileCount, manifestBytes, streamBytes, newBytes, chunkCount, newChunkCount, packBytes, patchBytes } =
    build;
  const named = await database
    .select({
      digest: packs.digest,
      sizeBytes: packs.sizeBytes,
      patchBytes: packs.patchBytes,
      infoHash: packs.infoHash,
      storedAt: packs.storedAt,
    })
    .from(buildPacks)
    .innerJoin(packs, eq(packs.digest, buildPacks.pack))
    .where(eq(buildPacks.buildId, id))
    .orderBy(asc(packs.storedAt), asc(packs.digest));
  const digests = named.map(({ digest }) => digest);
  // Through the packs that this one names, as no index is over which build brought a pack.
  const bringers =
    digests.length === 0
      ? []
      : await database
          .select({ build: builds.id, pack: builds.packDigest })
          .from(buildPacks)
          .innerJoin(builds, eq(builds.id, buildPacks.buildId))
          .where(and(inArray(buildPacks.pack, digests), eq(builds.packDigest, buildPacks.pack)))
          .orderBy(asc(builds.createdAt));
  return {
    id,
    fileCount,
    manifestBytes,
    /** The contents of all its files. */
    streamBytes,
    chunkCount,
    /** Of these bytes and chunks, those that its own pack has. */
    newBytes,
    newChunkCount,
    /** `newBytes` of `streamBytes`, from 0 to 1. */
    newShare: streamBytes === 0 ? 0 : newBytes / streamBytes,
    /** What its own pack takes in a store, patches included; 0 when it brought none. */
    packBytes,
    /** What a machine with the build before it fetches, about. */
    patchBytes,
    packs: named.map((pack) => ({
      ...pack,
      /** The first build that has it as its own; null when that is not known any more. */
      broughtBy: bringers.find((bringer) => bringer.pack === pack.digest)?.build ?? null,
    })),
  };
}
