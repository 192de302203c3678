import type postgres from 'postgres';
import type { Attempt } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';
import { groupByAttempt } from './held-by.ts';

/**
 * The statement that ends attempts well, under the condition that the worker still holds them. By id, never by a join: a
 * join with a list of unknown length may be planned to read the whole table.
 */
export function endWell(
  client: postgres.Sql | postgres.TransactionSql,
  worker: string,
  attempt: number,
  ids: number[],
  buildId: string | null = null,
) {
  return client`
    update jobs set status = 'SUCCEEDED', stage = null, build_id = ${buildId}::text, finished_at = now()
    where id = any (${ids}::bigint[]) and status = 'RUNNING' and worker = ${worker}::text
      and attempts = ${attempt}::int`;
}

/** Ends attempts of one worker well that have no build to record. Returns the jobs that were still its own. */
export async function endJobs(
  database: Database,
  worker: string,
  attempts: readonly Pick<Attempt, 'jobId' | 'attempt'>[],
): Promise<number[]> {
  const client = database.$client;
  const ended = await Promise.all(
    [...groupByAttempt(attempts)].map(
      ([attempt, ids]) => client<{ id: number }[]>`${endWell(client, worker, attempt, ids)} returning id::float8`,
    ),
  );
  announceSoon(database, 'jobs');
  return ended.flat().map(({ id }) => id);
}
