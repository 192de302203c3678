import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import { workers } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import type { Labels } from './labels.ts';
import { isEnrolled, whyShutOut } from './standing.ts';

// A worker's row is a lease on its name. Who holds it is told by `started_at`, which is its own for each process: every
// later write names it, and changes nothing once another process has the name, or once the identity that the worker shows
// was revoked. All times are the database's.

/** A worker that has not said anything for this long counts as dead: three of the pauses between two refreshes. */
export const aliveForMs = 30_000;
export const refreshEveryMs = 10_000;
/** Rows of workers that were not seen for this long go, unless they are drained. */
export const forgetAfterMs = 24 * 60 * 60_000;

export interface WorkerIdentity {
  name: string;
  labels: Labels;
  /** Host and data folder. */
  place: string;
  version: string;
  /** SHA-256 of the secret that it enrolled with. */
  credentialHash: string;
}

export interface NameHolder {
  place: string;
  /** How long ago it last said something, in milliseconds. */
  silentMs: number;
}

const silentFor = (milliseconds: number) =>
  sql`${workers.lastSeenAt} < now() - ${milliseconds} * interval '1 millisecond'`;

/**
 * Takes the name: free, given up, silent for `aliveMs`, or held by a process of the same place when the caller knows that
 * one to be dead (`heirOfPlace`). Returns since when it is ours and whether that one had it before, or who holds it. A
 * drain by a person outlives the process; one that came from its own stop does not. Throws when it is shut out.
 */
export async function takeName(
  database: Database,
  { name, labels, place, version, credentialHash }: WorkerIdentity,
  { heirOfPlace, aliveMs = aliveForMs }: { heirOfPlace: boolean; aliveMs?: number },
): Promise<{ since: Date; inherited: boolean } | { holder: NameHolder }> {
  const shutOut = await whyShutOut(database, name, credentialHash);
  if (shutOut) throw shutOut;
  const [before] = await database.select({ place: workers.host }).from(workers).where(eq(workers.name, name));
  const [row] = await database
    .insert(workers)
    .values({ name, labels, host: place, version, startedAt: sql`clock_timestamp()`, lastSeenAt: sql`now()` })
    .onConflictDoUpdate({
      target: workers.name,
      set: {
        labels,
        host: place,
        version,
        startedAt: sql`clock_timestamp()`,
        lastSeenAt: sql`now()`,
        stoppedAt: null,
        drainingSince: sql`case when ${workers.drainedBy} is null then null else ${workers.drainingSince} end`,
      },
      setWhere: sql`${isEnrolled(name, credentialHash)} and (${workers.stoppedAt} is not null or ${silentFor(aliveMs)} or (${heirOfPlace} and ${workers.host} = ${place}))`,
    })
    .returning({ since: workers.startedAt });
  // Nobody came between the two statements: from another place the name could not have been inherited.
  if (row) return { ...row, inherited: heirOfPlace && before?.place === place };
  const [holder] = await database
    .select({
      place: workers.host,
      silentMs: sql<number>`(extract(epoch from now() - ${workers.lastSeenAt}) * 1000)::float8`,
    })
    .from(workers)
    .where(eq(workers.name, name));
  return { holder: holder ?? { place: 'unknown', silentMs: 0 } };
}

/** Says that the worker is alive. False when another process has its name, or it was shut out. */
export async function refreshName(
  database: Database,
  { name, credentialHash }: Pick<WorkerIdentity, 'name' | 'credentialHash'>,
  since: Date,
): Promise<boolean> {
  const rows = await database
    .update(workers)
    .set({ lastSeenAt: sql`now()`, stoppedAt: null })
    .where(and(eq(workers.name, name), eq(workers.startedAt, since), isEnrolled(name, credentialHash)))
    .returning({ name: workers.name });
  return rows.length === 1;
}

/** Shows that the worker takes no more jobs because it is about to end. */
export async function sayLeaving(database: Database, name: string, since: Date): Promise<void> {
  await database
    .update(workers)
    .set({ drainingSince: sql`now()` })
    .where(and(eq(workers.name, name), eq(workers.startedAt, since), isNull(workers.drainingSince)));
}

/** Says that the worker ended in order. */
export async function sayStopped(database: Database, name: string, since: Date): Promise<void> {
  await database
    .update(workers)
    .set({ stoppedAt: sql`now()`, lastSeenAt: sql`now()` })
    .where(and(eq(workers.name, name), eq(workers.startedAt, since)));
}

/** Removes the rows of workers that are long gone; names that are made anew for each process would pile up. */
export async function forgetGone(database: Database): Promise<void> {
  await database
    .delete(workers)
    .where(
      and(lt(workers.lastSeenAt, sql`now() - ${forgetAfterMs} * interval '1 millisecond'`), isNull(workers.drainedBy)),
    );
}
