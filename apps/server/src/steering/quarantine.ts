import { and, desc, eq, isNull, type SQL, sql } from 'drizzle-orm';
import { quarantines } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Queryable, Transaction } from '../db/connect.ts';

// Builds that somebody rolled back from. They are not deployed again until a person says why they may.

export type Quarantine = typeof quarantines.$inferSelect;

/** The quarantine that a build is in; undefined when it is in none. */
export async function quarantineOf(where: Queryable, build: string): Promise<Quarantine | undefined> {
  const [row] = await where
    .select()
    .from(quarantines)
    .where(and(eq(quarantines.buildId, build), isNull(quarantines.liftedAt)));
  return row;
}

/** Those that hold, newest first. */
export function standingQuarantines(where: Queryable, visible: SQL | undefined): Promise<Quarantine[]> {
  return where
    .select()
    .from(quarantines)
    .where(and(isNull(quarantines.liftedAt), visible))
    .orderBy(desc(quarantines.id))
    .limit(1_000);
}

/** Puts a build into quarantine; does nothing when it is in one. */
export async function quarantine(
  tx: Transaction,
  row: { project: string; buildId: string; deployment: number | null; reason: string; createdBy: string },
): Promise<boolean> {
  const rows = await tx.insert(quarantines).values(row).onConflictDoNothing().returning({ id: quarantines.id });
  if (rows.length > 0) await announce(tx, 'deployments');
  return rows.length > 0;
}

/** Lifts what holds a build, or all that a rollback put there; what was lifted. */
export async function liftQuarantine(
  tx: Transaction,
  of: { build: string } | { deployment: number },
  by: string,
  reason: string,
): Promise<Quarantine[]> {
  const which = 'build' in of ? eq(quarantines.buildId, of.build) : eq(quarantines.deployment, of.deployment);
  const rows = await tx
    .update(quarantines)
    .set({ liftedAt: sql`now()`, liftedBy: by, liftReason: reason })
    .where(and(which, isNull(quarantines.liftedAt)))
    .returning();
  if (rows.length > 0) await announce(tx, 'deployments');
  return rows;
}
