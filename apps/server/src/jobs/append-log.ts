import { jobLogPieces } from '../../../../drizzle/schema/index.ts';
import type { Attempt } from '../builder/ports.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';

/** Adds a piece to the log. NUL, which PostgreSQL's text cannot hold, is shown as its picture. */
export async function appendLog(database: Database, attempt: Attempt, sequence: number, text: string): Promise<void> {
  await database.transaction(async (tx) => {
    await tx
      .insert(jobLogPieces)
      .values({ jobId: attempt.jobId, attempt: attempt.attempt, sequence, text: text.replaceAll('\0', '\u2400') })
      .onConflictDoNothing();
    await announce(tx, 'jobs');
  });
}
