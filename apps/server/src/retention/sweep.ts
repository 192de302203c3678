import { formatBytes } from '@starling/shared/durations.ts';
import { sql } from 'drizzle-orm';
import { recordAudit } from '../audit/record.ts';
import type { Database, Queryable } from '../db/connect.ts';
import { expireBuilds, expiringBuilds, projectNames } from './expiry.ts';
import { type BuildStores, type SweptBuild, sweepBuilds } from './sweep-bytes.ts';
import { bytesOnlyOf, type SweptPack, sweepPacks } from './sweep-packs.ts';
import { countOldRows, sweepRows } from './sweep-rows.ts';

/** What a sweep would do now. */
export interface SweepPlan {
  /** `bytes` is what would go with this build alone: its manifest, and packs that no other build names. */
  builds: { id: string; project: string; createdAt: Date; bytes: number }[];
  /** Expired before, with bytes that are not gone yet. */
  unfinished: number;
  /** In one store; every region has the same. Also what goes because the last of several builds that name it goes. */
  bytesPerStore: number;
  rows: { name: string; rows: number }[];
}

export async function planSweep(database: Queryable): Promise<SweepPlan> {
  const plan: SweepPlan = { builds: [], unfinished: 0, bytesPerStore: 0, rows: await countOldRows(database) };
  const expiring = [];
  for (const project of await projectNames(database)) {
    for (const { id, createdAt, manifestBytes } of await expiringBuilds(database, project)) {
      expiring.push(id);
      const bytes = manifestBytes + (await bytesOnlyOf(database, [id]));
      plan.builds.push({ id, project, createdAt, bytes });
      plan.bytesPerStore += manifestBytes;
    }
  }
  plan.bytesPerStore += await bytesOnlyOf(database, expiring);
  plan.unfinished = await countUnswept(database);
  return plan;
}

const packsAtOnce = 200;

export interface SweepOptions {
  database: Database;
  stores: BuildStores;
  /** Who asked for it; `starling` for the nightly one. */
  actor: string;
  /** How many builds' bytes at most. */
  most: number;
  signal: AbortSignal;
}

export interface SweepResult {
  expired: string[];
  swept: SweptBuild[];
  /** Packs that no build that is kept names, gone from every store. */
  packs: SweptPack[];
  rows: { name: string; rows: number }[];
  /** Builds whose manifests are still to be swept: ask again. */
  left: number;
}

/** One bounded piece of a sweep: takes builds out of service, then bytes, then rows. Safe to end anywhere. */
export async function sweep({ database, stores, actor, most, signal }: SweepOptions): Promise<SweepResult> {
  const expired: string[] = [];
  for (const project of await projectNames(database)) expired.push(...(await expireBuilds(database, project, actor)));
  const swept = await sweepBuilds(database, stores, { most, signal });
  const packs = await sweepPacks(database, stores, { most: packsAtOnce, signal });
  const rows = await sweepRows(database, signal);
  const left = await countUnswept(database);
  // What expired was audited as it did; bytes go one after another, in no transaction.
  if (swept.length + packs.length + rows.length > 0) {
    const freed = [...swept, ...packs].reduce((sum, { freedBytes }) => sum + freedBytes, 0);
    await database.transaction((tx) =>
      recordAudit(tx, {
        actor,
        action: 'retention.sweep',
        project: null,
        target: `${swept.length} builds, ${formatBytes(freed)}`,
        details: {
          swept: swept.map(({ id }) => id),
          packs: packs.map(({ digest }) => digest),
          freedBytes: freed,
          rows,
        },
      }),
    );
  }
  return { expired, swept, packs, rows, left };
}

async function countUnswept(database: Queryable): Promise<number> {
  const [row] = await database.execute(
    sql`select count(*)::int as count from builds where expired_at is not null and swept_at is null`,
  );
  return Number(row?.count);
}
