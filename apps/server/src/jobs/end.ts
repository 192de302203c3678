import type { Attempt, TakeOptions } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';
import { groupByAttempt } from './held-by.ts';
import { askedBy, inTurn, takeRest } from './take.ts';
import { type Client, takenRows, takeSteps } from './take-steps.ts';
import type { TakenRow } from './taken-row.ts';

/**
 * The step of a statement that ends attempts well, for its `with`, under the condition that the worker still holds them:
 * `ended` has those that it did. By id, never by a join: a join with a list of unknown length may be planned to read the
 * whole table.
 */
export const endStep = (
  client: Client,
  worker: string,
  attempt: number,
  ids: number[],
  buildId: string | null = null,
) => client`
    ended as (
      update jobs set status = 'SUCCEEDED', stage = null, build_id = ${buildId}::text, finished_at = now()
      where id = any (${ids}::bigint[]) and status = 'RUNNING' and worker = ${worker}::text
        and attempts = ${attempt}::int
      returning id, project, commit_sha
    )`;

export interface EndedAndTaken {
  /** The jobs that had been taken away meanwhile: nothing was written for them. */
  lost: number[];
  taken: Attempt[];
}

/**
 * Ends attempts of one worker well that have no build to record, and takes the next jobs, in one statement: half the round
 * trips and half the commits of doing the one after the other.
 */
export async function endAndTake(
  database: Database,
  worker: string,
  attempts: readonly Pick<Attempt, 'jobId' | 'attempt'>[],
  options: TakeOptions = {},
): Promise<EndedAndTaken> {
  const asked = askedBy(worker, options);
  const client = database.$client;
  // Nearly always one group, or none for a worker that begins.
  const [[attempt, ids] = [0, []], ...others] = groupByAttempt(attempts);
  const lost: number[] = [];
  for (const [number, group] of others) lost.push(...(await endOnly(client, worker, number, group)));
  const rows = await inTurn(
    database,
    asked,
    () => client<TakenRow[]>`
      with ${endStep(client, worker, attempt, ids)}, ${takeSteps(client, asked)} ${takenRows(client)}
      union all
      select id::float8, null, null, null, null, null, null, null from unnest(${ids}::bigint[]) as held (id)
      where id not in (select id from ended)`,
  );
  const isTaken = (row: TakenRow) => row.attempts !== null || row.limited !== null;
  lost.push(...rows.filter((row) => !isTaken(row)).map(({ id }) => id));
  if (lost.length < attempts.length) announceSoon(database, 'jobs');
  return { lost, taken: await takeRest(database, asked, rows.filter(isTaken)) };
}

async function endOnly(client: Client, worker: string, attempt: number, ids: number[]): Promise<number[]> {
  const rows = await client<{ id: number }[]>`
    with ${endStep(client, worker, attempt, ids)} select id::float8 from ended`;
  const ended = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !ended.has(id));
}
