import { sql } from 'drizzle-orm';
import { deploymentTasks } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { settle } from './task-rows.ts';

// What makes every task end although the one who ran it, or the one who ended its deployment, did not see to it.

export interface SweepLimits {
  /** Silence after which a runner counts as dead, in milliseconds. */
  staleMs: number;
  /** The longest that a task whose turn has come may wait for someone to run it, in milliseconds. */
  maxWaitMs: number;
}

/** Longer than a runner needs to end what has used up its time. */
const overdueMs = 60_000;

/** Ends the tasks of deployments that no longer want them. */
export async function skipUnwanted(database: Database): Promise<number> {
  return database.transaction(async (tx) => {
    const rows = await tx.execute(sql`
      update deployment_tasks t
      set status = 'SKIPPED', finished_at = now(), spec = t.spec - 'secret',
        failure_reason = case when d.status in ('RUNNING', 'SUCCEEDED') then 'the deployment went on without it'
          else 'the deployment ended ' || d.status end
      from deployments d
      where t.status in ('WAITING', 'QUEUED', 'RUNNING') and d.id = t.deployment
        and (d.status in ('FAILED', 'ABORTED', 'SUPERSEDED')
          or (t.phase = 'BEFORE' and d.status in ('RUNNING', 'SUCCEEDED'))
          or (t.phase = 'ANALYSIS' and d.status = 'SUCCEEDED')
          or (t.phase = 'AFTER' and t.status = 'WAITING' and d.status = 'SUCCEEDED'))
      returning t.id`);
    if (rows.length > 0) await announce(tx, 'deployments');
    return rows.length;
  });
}

/** Ends the attempts whose runner is silent or has let their time pass; they are tried again while they may be. */
export function endLost(database: Database, { staleMs }: SweepLimits): Promise<string[]> {
  return settleEach(
    database,
    sql`t.status = 'RUNNING' and (t.last_heartbeat_at < now() - ${staleMs} * interval '1 millisecond'
      or t.started_at < now() - ((t.spec->>'timeout')::bigint + ${overdueMs}) * interval '1 millisecond')`,
    ({ spec, runner }) => ({
      reason: `${spec.type === 'command' ? 'worker' : 'server'} ${runner} stopped answering`,
      retry: true,
    }),
  );
}

/** Fails the commands that no worker takes, for example because none has their labels. */
export function failUnclaimed(database: Database, { maxWaitMs }: SweepLimits): Promise<string[]> {
  return settleEach(
    database,
    sql`t.status = 'QUEUED' and t.spec->>'type' = 'command'
      and t.last_heartbeat_at < now() - ${maxWaitMs} * interval '1 millisecond'
      and not exists (select 1 from deployment_tasks other where other.deployment = t.deployment
        and other.phase = t.phase and other.position < t.position
        and (other.status <> 'SUCCEEDED' or other.finished_at > now() - ${maxWaitMs} * interval '1 millisecond'))`,
    ({ spec }) => {
      const labels = spec.type === 'command' ? Object.entries(spec.workerLabels) : [];
      const which = labels.length > 0 ? ` with ${labels.map(([name, value]) => `${name}=${value}`).join(', ')}` : '';
      return { reason: `no worker${which} took it within ${Math.round(maxWaitMs / 60_000)} min`, retry: false };
    },
  );
}

type Task = typeof deploymentTasks.$inferSelect;

async function settleEach(
  database: Database,
  which: ReturnType<typeof sql>,
  endOf: (task: Task) => { reason: string; retry: boolean },
): Promise<string[]> {
  return database.transaction(async (tx) => {
    const said: string[] = [];
    for (const task of await lockTasks(tx, which)) {
      const end = endOf(task);
      await settle(tx, task, { succeeded: false, ...end });
      said.push(`task ${task.id} "${task.spec.name}" of deployment ${task.deployment}: ${end.reason}`);
    }
    return said;
  });
}

/** At most so many at a time that the transaction stays short. */
async function lockTasks(tx: Transaction, which: ReturnType<typeof sql>): Promise<Task[]> {
  return tx
    .select()
    .from(deploymentTasks)
    .where(
      sql`${deploymentTasks.id} in (select t.id from deployment_tasks t where ${which} order by t.id limit 100 for update skip locked)`,
    );
}
