import type { JobStage } from '@starling/shared/words.ts';
import { and, asc, eq, inArray, isNotNull, or, sql } from 'drizzle-orm';
import { identities, jobs, jobsTaken, workers } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';
import type { Labels } from './labels.ts';
import { aliveForMs, forgetAfterMs } from './registry.ts';

/** What a worker builds now. */
export interface CurrentJob {
  id: number;
  project: string;
  commitSha: string;
  attempt: number;
  stage: JobStage | null;
  startedAt: Date | null;
}

/**
 * SILENT: it was killed, hangs, or cannot reach the database. DRAINING: it takes no new job. REVOKED: its identity was
 * taken away, so it gets none. STOPPED: it ended in order.
 */
export const workerStates = ['IDLE', 'BUSY', 'DRAINING', 'REVOKED', 'SILENT', 'STOPPED'] as const;
export type WorkerState = (typeof workerStates)[number];

export interface WorkerView {
  name: string;
  labels: Labels;
  /** Host and data folder. */
  place: string;
  version: string;
  state: WorkerState;
  startedAt: Date;
  lastSeenAt: Date;
  drainingSince: Date | null;
  /** Null when the worker drains because it is about to end. */
  drainedBy: string | null;
  job: CurrentJob | null;
}

/** The workers of the last day, and those that are drained, by name, each with what it builds now. */
export async function listWorkers(database: Queryable, { aliveMs = aliveForMs } = {}): Promise<WorkerView[]> {
  const within = (milliseconds: number) =>
    sql<boolean>`${workers.lastSeenAt} >= now() - ${milliseconds} * interval '1 millisecond'`;
  const rows = await database
    .select({ worker: workers, recent: within(aliveMs), revokedAt: identities.revokedAt })
    .from(workers)
    .leftJoin(identities, and(eq(identities.kind, 'worker'), eq(identities.name, workers.name)))
    .where(or(within(forgetAfterMs), isNotNull(workers.drainedBy)))
    .orderBy(asc(workers.name));
  const running = await database
    .select({
      worker: jobs.worker,
      id: jobs.id,
      project: jobs.project,
      commitSha: jobs.commitSha,
      attempt: jobs.attempts,
      stage: jobs.stage,
      startedAt: jobs.startedAt,
    })
    .from(jobs)
    .where(and(inArray(jobs.id, database.select({ id: jobsTaken.jobId }).from(jobsTaken)), eq(jobs.status, 'RUNNING')))
    .orderBy(asc(jobs.lastHeartbeatAt));
  // The last one wins: what a killed predecessor of the same name held may still wait to be put back.
  const held = new Map(running.map(({ worker, ...job }) => [worker, job]));
  return rows.map(({ worker, recent, revokedAt }) => {
    const job = held.get(worker.name) ?? null;
    const state = stateOf({ ...worker, recent, revoked: revokedAt !== null, busy: job !== null });
    const { host, name, labels, version, startedAt, lastSeenAt, drainingSince, drainedBy } = worker;
    return {
      name,
      labels,
      place: host,
      version,
      state,
      startedAt,
      lastSeenAt,
      drainingSince,
      drainedBy,
      job: state === 'STOPPED' || state === 'SILENT' ? null : job,
    };
  });
}

function stateOf(facts: {
  stoppedAt: Date | null;
  drainingSince: Date | null;
  recent: boolean;
  revoked: boolean;
  busy: boolean;
}): WorkerState {
  if (facts.stoppedAt) return 'STOPPED';
  if (!facts.recent) return 'SILENT';
  if (facts.revoked) return 'REVOKED';
  if (facts.drainingSince) return 'DRAINING';
  return facts.busy ? 'BUSY' : 'IDLE';
}
