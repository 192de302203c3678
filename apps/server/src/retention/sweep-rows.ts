import { settingsOf } from '@starling/shared/project-settings.ts';
import { type SQL, sql } from 'drizzle-orm';
import { projects } from '../../../../drizzle/schema/index.ts';
import type { Database, Queryable } from '../db/connect.ts';

// Rows that nobody will ask for again. Jobs, builds, deployments and the audit log stay: they are the history.

const days = (count: number) => sql`now() - ${count} * interval '1 day'`;
/** Rows in one statement, so that none holds its locks for long. */
const batchRows = 5_000;

export interface RowKind {
  /** What people call it. */
  name: string;
  table: SQL;
  /** Which rows go; `t` is the table. */
  past: SQL;
}

const logsOf = (project: string, keepLogsMs: number): RowKind => ({
  name: `logs of ${project}`,
  table: sql`job_log_pieces`,
  past: sql`t.job_id in (
    select j.id from jobs j where j.project = ${project} and j.finished_at < now() - ${keepLogsMs} * interval '1 millisecond')`,
});

const everywhere: RowKind[] = [
  {
    // A fleet of 100,000 writes as many rows a deployment; how it ended stays in the deployment itself.
    name: 'machines of old deployments',
    table: sql`deployment_machines`,
    past: sql`t.deployment in (
      select d.id from deployments d where d.finished_at < ${days(30)}
        and d.id not in (select n.id from deployments n where n.project = d.project order by n.id desc limit 20))`,
  },
  {
    name: 'views of swarms',
    table: sql`swarm_views`,
    past: sql`t.said_at < ${days(1)} and t.deployment not in (select d.id from deployments d where d.status = 'RUNNING')`,
  },
  { name: 'sessions', table: sql`sessions`, past: sql`t.expires_at < now()` },
  { name: 'enrolment tokens', table: sql`enrolment_tokens`, past: sql`t.expires_at < ${days(7)}` },
  { name: 'webhook deliveries', table: sql`webhook_deliveries`, past: sql`t.received_at < ${days(30)}` },
  {
    name: 'alerts',
    table: sql`alerts`,
    past: sql`t.raised_at < ${days(90)} and (t.cleared_at is not null or t.kind like 'deployment.%' or t.kind = 'build.failed')`,
  },
  { name: 'workers that are gone', table: sql`workers`, past: sql`t.last_seen_at < ${days(7)}` },
];

async function rowKinds(database: Queryable): Promise<RowKind[]> {
  const rows = await database.select().from(projects);
  return [...rows.map(({ name, settings }) => logsOf(name, settingsOf(settings).retention.keepLogsFor)), ...everywhere];
}

/** How many rows of each kind would go; kinds without any are left out. */
export async function countOldRows(database: Queryable): Promise<{ name: string; rows: number }[]> {
  const counts = [];
  for (const { name, table, past } of await rowKinds(database)) {
    const [found] = await database.execute(sql`select count(*)::int as rows from ${table} t where ${past}`);
    counts.push({ name, rows: Number(found?.rows) });
  }
  return counts.filter(({ rows }) => rows > 0);
}

/** Removes old rows in batches, until none are left or `signal` says stop. */
export async function sweepRows(database: Database, signal: AbortSignal): Promise<{ name: string; rows: number }[]> {
  const removed = [];
  for (const { name, table, past } of await rowKinds(database)) {
    let rows = 0;
    for (;;) {
      if (signal.aborted) break;
      const { count } = await database.transaction((tx) =>
        tx.execute(
          sql`delete from ${table} where ctid in (select t.ctid from ${table} t where ${past} limit ${batchRows})`,
        ),
      );
      rows += count;
      if (count < batchRows) break;
    }
    if (rows > 0) removed.push({ name, rows });
  }
  return removed;
}
