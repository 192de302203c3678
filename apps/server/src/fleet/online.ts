import { sql } from 'drizzle-orm';

/** A machine whose hub has not spoken of it for this long is offline. */
export const offlineAfterMs = 30_000;

/** Whether a machine is on its hub's connection now; for queries that name the machines table `m`. */
export const isOnline = sql`(m.connected and m.last_seen_at > now() - ${sql.raw(String(offlineAfterMs))} * interval '1 millisecond')`;
