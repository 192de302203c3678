import { settingsOf } from '@starling/shared/project-settings.ts';
import { sql } from 'drizzle-orm';
import type { Database } from '../db/connect.ts';
import type { Labels } from './labels.ts';
import { listWorkers } from './list.ts';
import { type Demand, type QueueSignal, queueSignal } from './signal.ts';

/** Long enough that a few commits are not taken for a flood, short enough to follow a working day. */
export const arrivalsWindowMs = 15 * 60_000;
/** Builds that ended within this time say how long builds take. */
const durationsWindowMs = 60 * 60_000;

interface DemandRow extends Record<string, unknown> {
  project: string;
  labels: Labels;
  settings: unknown;
  queued: number;
  running: number;
  oldest_wait_ms: number | null;
  arrivals: number;
  built: number;
  built_ms: number;
}

/** What waits, what runs and how many workers that wants, as the tables say now. */
export async function queueStatus(
  database: Database,
  { targetWaitMs, aliveMs }: { targetWaitMs: number; aliveMs?: number },
): Promise<QueueSignal> {
  const [demands, workers] = await Promise.all([
    readDemands(database),
    listWorkers(database, aliveMs === undefined ? {} : { aliveMs }),
  ]);
  return queueSignal(demands, workers, { targetWaitMs, windowMs: arrivalsWindowMs });
}

/**
 * Each part is read by its own index: jobs that wait, that run, and that ended within the hour. A job that arrived within
 * the window is in one of them, so no index by arrival is needed.
 */
export function demandsQuery() {
  const since = (milliseconds: number) => sql`now() - ${sql.raw(String(milliseconds))} * interval '1 millisecond'`;
  const columns = sql`project, worker_labels, status, created_at, started_at, finished_at`;
  return sql`
    with recent as (
      select ${columns} from jobs where id in (select job_id from jobs_waiting) and status = 'QUEUED'
      union all select ${columns} from jobs where id in (select job_id from jobs_taken) and status = 'RUNNING'
      union all select ${columns} from jobs where finished_at > ${since(durationsWindowMs)}
    )
    select recent.project, recent.worker_labels as labels, projects.settings,
      count(*) filter (where status = 'QUEUED')::int as queued,
      count(*) filter (where status = 'RUNNING')::int as running,
      (extract(epoch from now() - min(recent.created_at) filter (where status = 'QUEUED')) * 1000)::float8 as oldest_wait_ms,
      count(*) filter (where recent.created_at > ${since(arrivalsWindowMs)})::int as arrivals,
      count(*) filter (where status in ('SUCCEEDED', 'FAILED') and started_at is not null)::int as built,
      coalesce(sum(extract(epoch from finished_at - started_at) * 1000)
        filter (where status in ('SUCCEEDED', 'FAILED')), 0)::float8 as built_ms
    from recent join projects on projects.name = recent.project
    group by recent.project, recent.worker_labels, projects.settings`;
}

async function readDemands(database: Database): Promise<Demand[]> {
  const rows = await database.execute<DemandRow>(demandsQuery());
  return [...rows].map((row) => ({
    project: row.project,
    labels: row.labels,
    queued: row.queued,
    running: row.running,
    oldestWaitMs: row.oldest_wait_ms === null ? null : Math.max(0, row.oldest_wait_ms),
    arrivals: row.arrivals,
    built: { jobs: row.built, ms: row.built_ms },
    maxConcurrent: settingsOf(row.settings).builds.maxConcurrent,
  }));
}
