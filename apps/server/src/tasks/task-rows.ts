import type { DeploymentTaskSpec } from '@starling/shared/project-settings.ts';
import type { DeploymentKind, TaskPhase } from '@starling/shared/words.ts';
import { and, eq, type SQL, sql } from 'drizzle-orm';
import { deploymentTasks } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database, Transaction } from '../db/connect.ts';

// Taking a task and ending an attempt at it. Runner and attempt number are in the condition of every write, so that one
// who was given up can change nothing when it wakes up. While a task that failed waits for its next attempt,
// `finished_at` says when the last one ended: the pause until the next is counted from there.

/** One attempt at a task, with what the task is told of its deployment. */
export interface TaskAttempt {
  id: number;
  /** From 1. */
  attempt: number;
  runner: string;
  phase: TaskPhase;
  spec: DeploymentTaskSpec;
  /** What earlier attempts said. */
  log: string;
  deployment: {
    id: number;
    kind: DeploymentKind;
    project: string;
    build: string;
    commitSha: string;
    previousBuild: string | null;
    requestedBy: string;
    reason: string;
  };
}

/** A task runs while its deployment wants it: before it has begun, until it has failed, or while it is measured. */
const isWanted = sql`(t.phase = 'BEFORE' and d.status = 'WAITING') or (t.phase = 'AFTER' and d.status in ('RUNNING', 'SUCCEEDED'))
  or (t.phase = 'ANALYSIS' and d.status = 'RUNNING')`;

/** Its turn has come when all before it in the phase have succeeded. */
const isItsTurn = sql`not exists (select 1 from deployment_tasks earlier where earlier.deployment = t.deployment
  and earlier.phase = t.phase and earlier.position < t.position and earlier.status <> 'SUCCEEDED')`;

/** 5 s after the first attempt, twice as long after each more, a minute at most. */
const pauseIsOver = sql`(t.finished_at is null
  or t.finished_at + least(60, 5 * power(2, t.attempts - 1)) * interval '1 second' <= now())`;

/** The next command for a worker with these labels, now RUNNING; undefined when there is none, or the worker is drained or shut out. */
export function takeCommandTask(database: Database, worker: string, labels: Record<string, string>) {
  return take(
    database,
    worker,
    sql`t.spec->>'type' = 'command' and coalesce(t.spec->'workerLabels', '{}') <@ ${JSON.stringify(labels)}::jsonb
      and not exists (select 1 from workers w where w.name = ${worker} and w.draining_since is not null)
      and not exists (
        select 1 from identities i where i.kind = 'worker' and i.name = ${worker} and i.revoked_at is not null)`,
  );
}

/** The next webhook to call, now RUNNING; undefined when there is none. */
export function takeWebhookTask(database: Database, server: string) {
  return take(database, server, sql`t.spec->>'type' = 'webhook'`);
}

async function take(database: Database, runner: string, mine: SQL): Promise<TaskAttempt | undefined> {
  // A transaction, like every write here: the database of a loop that is led guards these and nothing else.
  const rows = (await database.transaction((tx) =>
    tx.execute(sql`
    with next as (
      select t.id from deployment_tasks t join deployments d on d.id = t.deployment
      where t.status = 'QUEUED' and ${mine} and (${isWanted}) and ${isItsTurn} and ${pauseIsOver}
      order by t.id limit 1 for update of t skip locked
    )
    update deployment_tasks t
    set status = 'RUNNING', attempts = t.attempts + 1, runner = ${runner}, started_at = now(), last_heartbeat_at = now(),
      finished_at = null
    from next, deployments d, builds b
    where t.id = next.id and d.id = t.deployment and b.id = d.build_id
    returning t.id, t.attempts as attempt, t.phase, t.spec, t.log, d.id as "deploymentId", d.kind, d.project,
      d.build_id as build, b.commit_sha as "commitSha", d.previous_build_id as "previousBuild",
      d.requested_by as "requestedBy", d.reason`),
  )) as unknown as (Omit<TaskAttempt, 'deployment'> & TaskAttempt['deployment'] & { deploymentId: string })[];
  const row = rows[0];
  if (!row) return undefined;
  const { id, attempt, phase, spec, log, deploymentId, ...deployment } = row;
  return { id: Number(id), attempt, runner, phase, spec, log, deployment: { ...deployment, id: Number(deploymentId) } };
}

const heldBy = (task: TaskAttempt) =>
  and(
    eq(deploymentTasks.id, task.id),
    eq(deploymentTasks.runner, task.runner),
    eq(deploymentTasks.attempts, task.attempt),
    eq(deploymentTasks.status, 'RUNNING'),
  );

/** Says that the attempt goes on, and keeps its log. False when it is not to: stop it, and write nothing more. */
export async function keepTask(database: Database, task: TaskAttempt, log: string | undefined): Promise<boolean> {
  const rows = await database.transaction((tx) =>
    tx.execute(sql`
    update deployment_tasks t set last_heartbeat_at = now(), log = coalesce(${log ?? null}, t.log)
    from deployments d
    where t.id = ${task.id} and t.runner = ${task.runner} and t.attempts = ${task.attempt} and t.status = 'RUNNING'
      and d.id = t.deployment and (${isWanted})
    returning t.id`),
  );
  return rows.length > 0;
}

export type TaskEnd = { succeeded: true } | { succeeded: false; reason: string; retry: boolean };

/** Ends an attempt. False when it was no longer ours: nothing was written then. */
export async function endTask(database: Database, task: TaskAttempt, end: TaskEnd, log: string): Promise<boolean> {
  return database.transaction(async (tx) => {
    const [held] = await tx.select().from(deploymentTasks).where(heldBy(task)).for('update');
    if (!held) return false;
    await tx.update(deploymentTasks).set({ log }).where(eq(deploymentTasks.id, held.id));
    await settle(tx, held, end);
    return true;
  });
}

/** Puts a task back as if the attempt had not begun: its runner is told to end, which is not the task's fault. */
export async function giveTaskBack(database: Database, task: TaskAttempt, log: string): Promise<void> {
  await database.transaction(async (tx) => {
    const rows = await tx
      .update(deploymentTasks)
      .set({ status: 'QUEUED', attempts: task.attempt - 1, runner: null, log, lastHeartbeatAt: sql`now()` })
      .where(heldBy(task))
      .returning({ id: deploymentTasks.id });
    if (rows.length > 0) await announce(tx, 'deployments');
  });
}

/** Writes how a task that the caller has locked ended, and what follows from that for the rest of its phase. */
export async function settle(tx: Transaction, task: typeof deploymentTasks.$inferSelect, end: TaskEnd): Promise<void> {
  const again = !end.succeeded && end.retry && task.attempts < task.spec.attempts;
  await tx
    .update(deploymentTasks)
    .set({
      status: end.succeeded ? 'SUCCEEDED' : again ? 'QUEUED' : 'FAILED',
      failureReason: end.succeeded ? null : end.reason,
      finishedAt: sql`now()`,
      lastHeartbeatAt: sql`now()`,
      ...(again ? {} : { spec: sql`${deploymentTasks.spec} - 'secret'` }),
    })
    .where(eq(deploymentTasks.id, task.id));
  // A measurement says something by failing; others are made all the same.
  if (!end.succeeded && !again && task.phase !== 'ANALYSIS') {
    await tx
      .update(deploymentTasks)
      .set({
        status: 'SKIPPED',
        failureReason: `"${task.spec.name}" failed before it`,
        finishedAt: sql`now()`,
        spec: sql`${deploymentTasks.spec} - 'secret'`,
      })
      .where(
        and(
          eq(deploymentTasks.deployment, task.deployment),
          eq(deploymentTasks.phase, task.phase),
          sql`${deploymentTasks.status} in ('WAITING', 'QUEUED')`,
        ),
      );
  }
  await announce(tx, 'deployments');
}
