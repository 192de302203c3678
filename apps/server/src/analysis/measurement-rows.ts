import type { CheckStage } from '@starling/shared/rollout-checks.ts';
import { and, eq, isNull, notInArray, sql } from 'drizzle-orm';
import { deploymentTasks, measurements } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import type { Measurement } from './measurement.ts';

export interface MeasurementKey {
  deployment: number;
  wave: number;
  stage: CheckStage;
  check: string;
}

/** A command for a worker: one measurement is one task. */
export interface CommandToRun {
  command: string;
  timeoutMs: number;
  workerLabels: Record<string, string>;
}

/** How long a worker may take to take a command, in milliseconds. */
const takenWithinMs = 60_000;
/** What a command ends with that could not tell: EX_TEMPFAIL of sysexits.h. */
const exitInconclusive = 75;
/** With these a shell says that it could not run the command. */
const exitsOfShell = [126, 127];

/** Writes down that a measurement has begun; its number. */
export async function beginMeasurement(database: Database, key: MeasurementKey): Promise<number> {
  return database.transaction(async (tx) => {
    const [row] = await tx.insert(measurements).values(key).returning({ id: measurements.id });
    return row!.id;
  });
}

/** Hands a measurement that is a command to the workers. */
export async function beginCommand(database: Database, key: MeasurementKey, run: CommandToRun): Promise<void> {
  const { command, timeoutMs, workerLabels } = run;
  await database.transaction(async (tx) => {
    const spec = { type: 'command', name: key.check, command, timeout: timeoutMs, attempts: 1, workerLabels } as const;
    const [task] = await tx
      .insert(deploymentTasks)
      // All at the same place: measurements do not wait for one another.
      .values({
        deployment: key.deployment,
        phase: 'ANALYSIS',
        position: 0,
        spec,
        status: 'QUEUED',
        lastHeartbeatAt: sql`now()`,
      })
      .returning({ id: deploymentTasks.id });
    await tx.insert(measurements).values({ ...key, task: task!.id });
    await announce(tx, 'deployments');
  });
}

/** Writes what came of it, once. */
export async function endMeasurement(database: Database, id: number, { verdict, detail }: Measurement): Promise<void> {
  await database.transaction(async (tx) => {
    const rows = await tx
      .update(measurements)
      .set({ verdict, detail, endedAt: sql`now()` })
      .where(and(eq(measurements.id, id), isNull(measurements.verdict)))
      .returning({ id: measurements.id });
    if (rows.length > 0) await announce(tx, 'deployments');
  });
}

/** Takes those back that nobody makes any more, so that they are made again: their server was killed. */
export async function forgetLost(database: Database, underWay: readonly number[]): Promise<void> {
  await database.transaction((tx) =>
    tx
      .delete(measurements)
      .where(
        and(
          isNull(measurements.verdict),
          isNull(measurements.task),
          underWay.length > 0 ? notInArray(measurements.id, [...underWay]) : undefined,
        ),
      ),
  );
}

/** Writes what came of the commands that have ended, and calls off those that no worker has taken. */
export async function endCommands(database: Database): Promise<void> {
  const ended = (await database.execute(sql`
    select m.id, t.id as task, t.status, t.failure_reason as reason
    from measurements m join deployment_tasks t on t.id = m.task
    where m.verdict is null and (t.status in ('SUCCEEDED', 'FAILED', 'SKIPPED')
      or (t.status = 'QUEUED' and m.began_at < now() - ${takenWithinMs} * interval '1 millisecond'))
    order by m.id limit 200`)) as unknown as { id: string; task: string; status: string; reason: string | null }[];
  for (const { id, task, status, reason } of ended) {
    if (status !== 'QUEUED') {
      await endMeasurement(database, Number(id), commandVerdict(status, reason ?? ''));
      continue;
    }
    const calledOff = await database.transaction((tx) =>
      tx
        .update(deploymentTasks)
        .set({ status: 'SKIPPED', failureReason: 'no worker took it in time', finishedAt: sql`now()` })
        .where(and(eq(deploymentTasks.id, Number(task)), eq(deploymentTasks.status, 'QUEUED')))
        .returning({ id: deploymentTasks.id }),
    );
    if (calledOff.length > 0) {
      await endMeasurement(database, Number(id), { verdict: 'ERROR', detail: 'no worker took it within a minute' });
    }
  }
}

/** What the end of a task says: the code that its command exited with, or that it came to none. */
export function commandVerdict(status: string, reason: string): Measurement {
  if (status === 'SUCCEEDED') return { verdict: 'SUCCESSFUL', detail: 'exit code 0' };
  const code = status === 'FAILED' ? /^exit code (\d+)/.exec(reason)?.[1] : undefined;
  if (code === undefined || exitsOfShell.includes(Number(code))) return { verdict: 'ERROR', detail: reason };
  return { verdict: Number(code) === exitInconclusive ? 'INCONCLUSIVE' : 'FAILED', detail: reason };
}
