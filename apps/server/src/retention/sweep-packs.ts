import { and, eq, sql } from 'drizzle-orm';
import { buildPacks, packs } from '../../../../drizzle/schema/index.ts';
import { packKey } from '../blobs/blob-store.ts';
import type { Database, Queryable } from '../db/connect.ts';
import type { BuildStores } from './sweep-bytes.ts';

// A pack goes, from every store, when no build that is kept names it. It is first marked, in a transaction that has its row
// locked: from then on no build can be recorded that names it (`jobs/complete.ts` locks the row too) and no worker relies on
// its bytes (`jobs/record-pack.ts`). Then its bytes go, then its row. A sweep that is cut off finds the mark and goes on.

/** A worker notes a pack before it stores it and before its build is recorded: as long as a build may take at most. */
export const graceMs = 24 * 3_600_000;

export interface SweptPack {
  digest: string;
  /** Over all stores. */
  freedBytes: number;
}

const isNamed = sql`exists (
  select from build_packs n join builds b on b.id = n.build_id where n.pack = packs.digest and b.expired_at is null)`;
const isUnneeded = sql`${packs.storedAt} < now() - ${graceMs} * interval '1 millisecond' and not ${isNamed}`;

/** Sweeps packs that nothing needs, oldest first, `most` at most. */
export async function sweepPacks(
  database: Database,
  stores: BuildStores,
  { most, signal }: { most: number; signal: AbortSignal },
): Promise<SweptPack[]> {
  const due = await database
    .select({ digest: packs.digest, sizeBytes: packs.sizeBytes })
    .from(packs)
    .where(sql`${packs.deletingAt} is not null or (${isUnneeded})`)
    .orderBy(packs.storedAt)
    .limit(most);
  const swept: SweptPack[] = [];
  for (const { digest, sizeBytes } of due) {
    if (signal.aborted) break;
    if (!(await mark(database, digest))) continue;
    const all = [...stores.regions.values(), stores.main];
    for (const store of all) await store.delete(packKey(digest));
    await database.transaction(async (tx) => {
      await tx.delete(buildPacks).where(eq(buildPacks.pack, digest));
      await tx.delete(packs).where(eq(packs.digest, digest));
    });
    swept.push({ digest, freedBytes: sizeBytes * all.length });
  }
  return swept;
}

/** Whether it still may go, and is marked now. */
async function mark(database: Database, digest: string): Promise<boolean> {
  return database.transaction(async (tx) => {
    await tx.execute(sql`select from packs where digest = ${digest} for update`);
    // A statement of its own: it sees the build that was recorded while the lock was waited for.
    const marked = await tx
      .update(packs)
      .set({ deletingAt: sql`coalesce(${packs.deletingAt}, now())` })
      .where(and(eq(packs.digest, digest), sql`(${packs.deletingAt} is not null or (${isUnneeded}))`))
      .returning({ digest: packs.digest });
    return marked.length > 0;
  });
}

/** What the packs take, in one store, that no build that is kept names but these. */
export async function bytesOnlyOf(database: Queryable, builds: readonly string[]): Promise<number> {
  if (builds.length === 0) return 0;
  const ids = sql.join(
    builds.map((id) => sql`${id}`),
    sql`, `,
  );
  const [row] = await database.execute(sql`
    select coalesce(sum(p.size_bytes), 0)::bigint as bytes from packs p
    where exists (select from build_packs n where n.pack = p.digest and n.build_id in (${ids}))
      and not exists (
        select from build_packs n join builds b on b.id = n.build_id
        where n.pack = p.digest and b.expired_at is null and b.id not in (${ids}))`);
  return Number(row?.bytes);
}
