import { sql } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import type { Attempt } from '../builder/ports.ts';
import type { Database } from '../db/connect.ts';
import { heldBy } from './held-by.ts';

/** Says that the attempt is alive. False when it has been taken away. */
export async function heartbeat(database: Database, attempt: Attempt): Promise<boolean> {
  const rows = await database
    .update(jobs)
    .set({ lastHeartbeatAt: sql`now()` })
    .where(heldBy(attempt))
    .returning({ id: jobs.id });
  return rows.length === 1;
}
