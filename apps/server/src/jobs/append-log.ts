import type { Attempt } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';

/** Adds a piece to the log. NUL, which PostgreSQL's text cannot hold, is shown as its picture. */
export async function appendLog(database: Database, attempt: Attempt, sequence: number, text: string): Promise<void> {
  await database.$client`
    insert into job_log_pieces (job_id, attempt, sequence, text)
    values (${attempt.jobId}, ${attempt.attempt}, ${sequence}, ${text.replaceAll('\0', '\u2400')})
    on conflict do nothing`;
  announceSoon(database, 'jobs');
}
