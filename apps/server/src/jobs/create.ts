import { StarlingError } from '@starling/shared/errors.ts';
import { eq, sql } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import { announceSoon } from '../db/announce-soon.ts';
import { announce } from '../db/changes.ts';
import type { Database, Queryable, Transaction } from '../db/connect.ts';

export interface NewJob {
  project: string;
  commitSha: string;
  requestedRef: string;
  requestedBy: string;
  repositoryUrl: string;
  binaryName: string;
  maxAttempts: number;
  deadlineMs: number;
  /** Higher goes first; 0 when left out. */
  priority?: number;
  /** Labels that the worker must have. */
  workerLabels?: Record<string, string>;
  /** The job that this one tries again. */
  retryOf?: number;
  /** Chosen by the caller: a second job with the same key is the first one. */
  idempotencyKey?: string;
}

export interface QueuedJob {
  id: number;
  /** False when the job was there already. */
  created: boolean;
}

/**
 * Queues a job. A commit that is already built, or on its way, is not built again unless `force`: the job that has it is
 * returned instead, with `created: false`; so is, even with `force`, the job that has the same idempotency key. However
 * many ask at the same time, one job comes of it: both are unique keys of the table. A forced job has the commit from then
 * on, in place of the one before. CONFLICT when the key was used for something else.
 */
export async function createJob(where: Queryable, job: NewJob, force: boolean): Promise<QueuedJob> {
  if (job.idempotencyKey === undefined) {
    return enqueueOne(where, job, force);
  }
  // The key is written to a job that was found by its commit as well, under the lock that found it.
  return where.transaction(async (tx) => {
    const queued = await enqueueOne(tx, job, force);
    if (!queued.created) await bindKey(tx, queued.id, job);
    return queued;
  });
}

/**
 * Queues many jobs with one statement, each unless its commit is built or on its way. In the order of `list`. Two calls at
 * once with the same commits in another order may wait for each other: the database breaks one off, and nothing of it is
 * written.
 */
export async function createJobs(where: Queryable, list: readonly NewJob[]): Promise<QueuedJob[]> {
  const nameOf = (job: { project: string; commitSha: string }) => `${job.project} ${job.commitSha}`;
  const each = new Map(list.map((job) => [nameOf(job), { ...job, force: false }]));
  const rows = await enqueue(where, [...each.values()]);
  const queued = new Map<string, QueuedRow>();
  for (const row of rows) {
    const name = `${row.project} ${row.commit_sha}`;
    // Those that were added may be named again among those that were there.
    if (!queued.get(name)?.created) queued.set(name, row);
  }
  return list.map((job) => {
    const row = queued.get(nameOf(job))!;
    const created = row.created;
    // A commit that comes twice in the list is new once.
    row.created = false;
    return { id: Number(row.id), created };
  });
}

async function enqueueOne(where: Queryable, job: NewJob, force: boolean): Promise<QueuedJob> {
  const [row] = await enqueue(where, [{ ...job, force }]);
  if (row) return { id: Number(row.id), created: row.created };
  throw new StarlingError(
    'UNAVAILABLE',
    `Jobs of commit ${job.commitSha} come and go too fast to tell which to take.`,
    {
      fix: 'Ask again.',
    },
  );
}

interface QueuedRow {
  id: string;
  project: string;
  commit_sha: string;
  created: boolean;
}

/** Calls the function `enqueue_jobs` of the database, which inserts and looks in one round trip. */
async function enqueue(where: Queryable, list: readonly (NewJob & { force: boolean })[]): Promise<QueuedRow[]> {
  const asked = JSON.stringify(
    list.map((job) => ({
      project: job.project,
      commit_sha: job.commitSha,
      requested_ref: job.requestedRef,
      requested_by: job.requestedBy,
      priority: job.priority ?? 0,
      idempotency_key: job.idempotencyKey,
      worker_labels: job.workerLabels ?? {},
      retry_of: job.retryOf,
      repository_url: job.repositoryUrl,
      binary_name: job.binaryName,
      max_attempts: job.maxAttempts,
      deadline_ms: job.deadlineMs,
      force: job.force,
    })),
  );
  if (isTransaction(where)) {
    const rows = (await where.execute(
      sql`select * from enqueue_jobs(${asked}::text::jsonb)`,
    )) as unknown as QueuedRow[];
    if (rows.some(({ created }) => created)) await announce(where, 'jobs');
    return rows;
  }
  const rows = await where.$client<QueuedRow[]>`select * from enqueue_jobs(${asked}::text::jsonb)`;
  if (rows.some(({ created }) => created)) announceSoon(where, 'jobs');
  return rows;
}

const isTransaction = (where: Queryable): where is Transaction => !('$client' in (where as Partial<Database>));

async function bindKey(tx: Transaction, id: number, job: NewJob): Promise<void> {
  const [known] = await tx.select().from(jobs).where(eq(jobs.id, id));
  if (known!.idempotencyKey === job.idempotencyKey) {
    refuseOtherInput(known!, { project: job.project, ref: job.requestedRef, priority: job.priority });
  } else if (known!.idempotencyKey === null) {
    await tx.update(jobs).set({ idempotencyKey: job.idempotencyKey! }).where(eq(jobs.id, id));
  }
}

/** CONFLICT, with the field, when the job that has the key was asked for with other words. */
export function refuseOtherInput(
  known: Pick<typeof jobs.$inferSelect, 'project' | 'requestedRef' | 'priority'>,
  asked: { project: string; ref: string; priority: number | undefined },
): void {
  const differs =
    known.project !== asked.project
      ? 'project'
      : known.requestedRef !== asked.ref
        ? 'ref'
        : asked.priority !== undefined && known.priority !== asked.priority
          ? 'priority'
          : undefined;
  if (differs === undefined) return;
  throw new StarlingError('CONFLICT', `This idempotency key was used before, with another ${differs}.`, {
    field: differs,
    fix: 'Use a new key for each thing that is asked for.',
  });
}
