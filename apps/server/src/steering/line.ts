import { and, desc, eq, isNull, or, type SQL, sql } from 'drizzle-orm';
import { lineStops } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Queryable, Transaction } from '../db/connect.ts';

// The line: while it is stopped, for a project or for all, no deployment begins or goes on. It is derived wherever it is
// asked for; no deployment is written to, so starting it again finds each as it was.

export type LineStop = typeof lineStops.$inferSelect;

/** The stop that holds a project: its own, or the one of all. */
export async function lineStopOf(where: Queryable, project: string): Promise<LineStop | undefined> {
  const [stop] = await where
    .select()
    .from(lineStops)
    .where(and(isNull(lineStops.startedAt), or(isNull(lineStops.project), eq(lineStops.project, project))))
    .orderBy(desc(lineStops.id))
    .limit(1);
  return stop;
}

/** Those that hold now; `visible` leaves only some projects', and always the one of all. */
export function standingStops(where: Queryable, visible: SQL | undefined): Promise<LineStop[]> {
  return where
    .select()
    .from(lineStops)
    .where(and(isNull(lineStops.startedAt), visible && or(visible, isNull(lineStops.project))))
    .orderBy(desc(lineStops.id))
    .limit(1_000);
}

/** Stops it; undefined when it was stopped already. Null stops all projects. */
export async function stopLine(
  tx: Transaction,
  stop: { project: string | null; reason: string; stoppedBy: string },
): Promise<LineStop | undefined> {
  const [row] = await tx.insert(lineStops).values(stop).onConflictDoNothing().returning();
  if (row) await announce(tx, 'deployments');
  return row;
}

/** Starts it again; undefined when it was not stopped. Starting one project leaves a stop of all. */
export async function startLine(tx: Transaction, project: string | null, by: string): Promise<LineStop | undefined> {
  const [row] = await tx
    .update(lineStops)
    .set({ startedAt: sql`now()`, startedBy: by })
    .where(
      and(isNull(lineStops.startedAt), project === null ? isNull(lineStops.project) : eq(lineStops.project, project)),
    )
    .returning();
  if (row) await announce(tx, 'deployments');
  return row;
}

/** Whether a deployment `d` stands still: paused, or by a stopped line. A rollback never waits, and a hotfix was let through. */
export const isHeld = sql`(d.paused_at is not null or (d.kind <> 'ROLLBACK' and not d.hotfix and exists (
  select from line_stops s where s.started_at is null and (s.project is null or s.project = d.project))))`;
