import type { Attempt } from '../builder/ports.ts';
import type { Database } from '../db/connect.ts';
import { groupByAttempt } from './held-by.ts';

/** Says that the attempt is alive. False when it has been taken away. */
export async function heartbeat(database: Database, attempt: Attempt): Promise<boolean> {
  return (await heartbeats(database, attempt.worker, [attempt])).length === 1;
}

/**
 * Says that attempts of one worker are alive. Returns the jobs that are still its own. No index is over the time of a
 * heartbeat, so the row's new version stays in its page and no index is written.
 */
export async function heartbeats(
  database: Database,
  worker: string,
  attempts: readonly Pick<Attempt, 'jobId' | 'attempt'>[],
): Promise<number[]> {
  const heard = await Promise.all(
    [...groupByAttempt(attempts)].map(
      ([attempt, ids]) => database.$client<{ id: number }[]>`
        update jobs set last_heartbeat_at = now()
        where id = any (${ids}::bigint[]) and status = 'RUNNING' and worker = ${worker}::text
          and attempts = ${attempt}::int
        returning id::float8`,
    ),
  );
  return heard.flat().map(({ id }) => id);
}
