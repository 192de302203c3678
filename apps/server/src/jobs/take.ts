import type { Attempt, TakeOptions } from '../builder/ports.ts';
import { announceSoon } from '../db/announce-soon.ts';
import type { Database } from '../db/connect.ts';
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
  return takeRest(database, asked, await takeUnlimited(database.$client, asked));
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
