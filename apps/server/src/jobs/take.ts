import type { Attempt, TakeOptions } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';
import { Turns } from '../lib/turns.ts';
import { takeLimited } from './take-limited.ts';
import { type Asked, type Client, takenRows, takeSteps } from './take-steps.ts';
import { attemptOf, type TakenRow } from './taken-row.ts';

const mostJobsAtOnce = 1_000;
/** Looks again when others were quicker to the last free places of a project; then the next poll finds the job. */
const mostLooks = 5;

/**
 * Makes QUEUED jobs RUNNING for `worker`, with the next attempt number and a fresh heartbeat: the highest priority
 * first, then the oldest, none that another claim is taking. Nothing for a worker that drains or is shut out.
 *
 * One statement does it, without a transaction around it. Only a job whose project limits how many may run needs more:
 * how many run can be counted reliably only under a lock that is taken before the statement begins (`takeLimited`).
 */
export async function takeJobs(database: Database, worker: string, options: TakeOptions = {}): Promise<Attempt[]> {
  const asked = askedBy(worker, options);
  const rows = await inTurn(database, asked, () => takeUnlimited(database.$client, asked));
  return takeRest(database, asked, rows);
}

// Claims of many jobs pass over the rows that others hold: a few at once keep the database busy, more would mostly look at
// each other's rows.
const batchesAtOnce = 3;
const turns = new WeakMap<Database, Turns>();

/** Runs a statement that takes jobs; of those that take many, only a few at once from one process. */
export function inTurn<T>(database: Database, { limit }: Asked, work: () => Promise<T>): Promise<T> {
  if (limit === 1) return work();
  const queue = turns.get(database) ?? new Turns(batchesAtOnce);
  turns.set(database, queue);
  return queue.take(work);
}

export const askedBy = (worker: string, options: TakeOptions): Asked => ({
  worker,
  labels: options.labels ?? {},
  limit: Math.min(mostJobsAtOnce, options.limit ?? 1),
});

/** Turns the rows of a first look into attempts, and looks further for the places that projects with limits had in it. */
export async function takeRest(database: Database, asked: Asked, firstRows: TakenRow[]): Promise<Attempt[]> {
  const { worker, labels, limit } = asked;
  const taken: Attempt[] = [];
  for (let look = 0, rows = firstRows; ; look++) {
    const limited = new Map<string, number>();
    for (const row of rows) {
      if (row.limited === null) taken.push(attemptOf(row, worker));
      else limited.set(row.limited, (limited.get(row.limited) ?? 0) + 1);
    }
    for (const [project, wanted] of limited) {
      taken.push(...(await takeLimited(database, { worker, labels, project, wanted })));
    }
    if (limited.size === 0 || look === mostLooks || taken.length >= limit) break;
    rows = await takeUnlimited(database.$client, { ...asked, limit: limit - taken.length });
  }
  if (taken.length > 0) announceSoon(database, 'jobs');
  return taken;
}

export function takeUnlimited(client: Client, asked: Asked): Promise<TakenRow[]> {
  return client<TakenRow[]>`with ${takeSteps(client, asked)} ${takenRows(client)}`;
}
