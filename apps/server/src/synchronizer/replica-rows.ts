import { and, asc, eq, isNull, lte, ne, sql } from 'drizzle-orm';
import { buildPacks, builds, packs, replicas } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import type { DueReplica, NamedPack, ReplicaRows } from './ports.ts';

/** More than a leader copies before it asks again; the rest waits its turn. */
const mostDueAtOnce = 200;

export function replicaRows(database: Database): ReplicaRows {
  return {
    due: async () => {
      const rows = await database
        .select({ replica: replicas, build: builds })
        .from(replicas)
        .innerJoin(builds, eq(builds.id, replicas.buildId))
        .where(
          and(ne(replicas.status, 'REPLICATED'), lte(replicas.nextAttemptAt, sql`now()`), isNull(builds.expiredAt)),
        )
        .orderBy(asc(builds.createdAt), asc(replicas.region))
        .limit(mostDueAtOnce);
      return Promise.all(
        rows.map(async ({ replica, build }) => ({
          build: build.id,
          region: replica.region,
          attempts: replica.attempts,
          packs: await packsOf(database, build.id, replica.region),
          manifest: { sha256: build.manifestDigest, sizeBytes: build.manifestBytes },
        })),
      );
    },
    copying: (replica, bytesTotal) =>
      set(replica, {
        status: 'COPYING',
        bytesDone: 0,
        bytesTotal,
        attempts: sql`${replicas.attempts} + 1`,
        startedAt: sql`coalesce(${replicas.startedAt}, now())`,
        failureReason: null,
      }),
    progress: (replica, bytesDone) => set(replica, { bytesDone }),
    replicated: (replica) =>
      set(replica, {
        status: 'REPLICATED',
        bytesDone: sql`${replicas.bytesTotal}`,
        finishedAt: sql`now()`,
        failureReason: null,
      }),
    failed: (replica, reason, retryAfterMs) =>
      set(replica, {
        status: 'FAILED',
        failureReason: reason.slice(0, 4_000),
        nextAttemptAt: sql`now() + ${retryAfterMs} * interval '1 millisecond'`,
      }),
  };

  async function set(
    replica: DueReplica,
    values: Parameters<ReturnType<typeof database.update<typeof replicas>>['set']>[0],
  ) {
    await database.transaction(async (tx) => {
      await tx
        .update(replicas)
        .set(values)
        // A copy that a slower leader still reports on never takes REPLICATED back.
        .where(
          and(
            eq(replicas.buildId, replica.build),
            eq(replicas.region, replica.region),
            ne(replicas.status, 'REPLICATED'),
          ),
        );
      await announce(tx, 'replicas');
    });
  }
}

function packsOf(database: Database, build: string, region: string): Promise<NamedPack[]> {
  const isChecked = sql<boolean>`exists (
    select from ${buildPacks} other join ${replicas} there on there.build_id = other.build_id
    where other.pack = ${packs.digest} and there.region = ${region} and there.status = 'REPLICATED')`;
  return database
    .select({ sha256: packs.digest, sizeBytes: packs.sizeBytes, isChecked })
    .from(buildPacks)
    .innerJoin(packs, eq(packs.digest, buildPacks.pack))
    .where(eq(buildPacks.buildId, build))
    .orderBy(asc(packs.storedAt), asc(packs.digest));
}
