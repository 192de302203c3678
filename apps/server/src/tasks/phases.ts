import type { ProjectSettings } from '@starling/shared/project-settings.ts';
import type { DeploymentKind, TaskPhase } from '@starling/shared/words.ts';
import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import { deploymentTasks } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Queryable, Transaction } from '../db/connect.ts';

// The tasks of a deployment, phase by phase: those BEFORE it begins are one of its gates, those AFTER its machines
// confirmed it are part of its end. Within a phase they run one after another, and the first that fails skips the rest.
// A rollback has no tasks before it: it goes to a build that has proved itself, and must wait for nothing.

/** Writes down what must run for a deployment, WAITING, as the project's settings are now. */
export async function planTasks(
  tx: Transaction,
  { deployment, settings }: { deployment: { id: number; kind: DeploymentKind }; settings: ProjectSettings },
): Promise<void> {
  const before = deployment.kind === 'ROLLBACK' ? [] : settings.tasks.before;
  const planned = [
    ...before.map((spec, position) => ({ deployment: deployment.id, phase: 'BEFORE' as const, position, spec })),
    ...settings.tasks.after.map((spec, position) => ({
      deployment: deployment.id,
      phase: 'AFTER' as const,
      position,
      spec,
    })),
  ];
  if (planned.length > 0) await tx.insert(deploymentTasks).values(planned);
}

/** Lets the WAITING tasks of a phase run, one after another. Doing it twice is harmless. */
export async function releaseTasks(tx: Transaction, deployment: number, phase: TaskPhase): Promise<void> {
  const released = await tx
    .update(deploymentTasks)
    // From here on counts how long it has waited for someone to run it.
    .set({ status: 'QUEUED', lastHeartbeatAt: sql`now()` })
    .where(
      and(
        eq(deploymentTasks.deployment, deployment),
        eq(deploymentTasks.phase, phase),
        eq(deploymentTasks.status, 'WAITING'),
      ),
    )
    .returning({ id: deploymentTasks.id });
  if (released.length > 0) await announce(tx, 'deployments');
}

export interface TasksVerdict {
  /** `waiting`: not yet released. */
  state: 'none' | 'waiting' | 'running' | 'succeeded' | 'failed';
  /** In a sentence without a full stop; empty when there are none. */
  detail: string;
}

/** How far the tasks of a phase are. */
export async function tasksVerdict(where: Queryable, deployment: number, phase: TaskPhase): Promise<TasksVerdict> {
  const tasks = await where
    .select({
      status: deploymentTasks.status,
      spec: deploymentTasks.spec,
      runner: deploymentTasks.runner,
      attempts: deploymentTasks.attempts,
      failureReason: deploymentTasks.failureReason,
    })
    .from(deploymentTasks)
    .where(and(eq(deploymentTasks.deployment, deployment), eq(deploymentTasks.phase, phase)))
    .orderBy(asc(deploymentTasks.position));
  if (tasks.length === 0) return { state: 'none', detail: '' };
  const inAll = tasks.length === 1 ? '' : ` of ${tasks.length}`;
  const failed = tasks.find(({ status }) => status === 'FAILED') ?? tasks.find(({ status }) => status === 'SKIPPED');
  if (failed) {
    const how = failed.status === 'FAILED' ? 'failed' : 'was skipped';
    const why = failed.failureReason ? `: ${failed.failureReason}` : '';
    return { state: 'failed', detail: `the task "${failed.spec.name}" ${how}${why}` };
  }
  const next = tasks.findIndex(({ status }) => status !== 'SUCCEEDED');
  if (next === -1) {
    const detail =
      tasks.length === 1 ? `the task "${tasks[0]!.spec.name}" succeeded` : `${tasks.length} tasks succeeded`;
    return { state: 'succeeded', detail };
  }
  const { status, spec, runner, attempts } = tasks[next]!;
  const which = `task ${next + 1}${inAll}, "${spec.name}",`;
  if (status === 'WAITING') return { state: 'waiting', detail: `${which} has not begun` };
  if (status === 'RUNNING') {
    const again = attempts > 1 ? ` (attempt ${attempts} of ${spec.attempts})` : '';
    return { state: 'running', detail: `${which} runs on ${runner ?? 'a worker'}${again}` };
  }
  return { state: 'running', detail: `${which} waits for ${spec.type === 'command' ? 'a worker' : 'its turn'}` };
}

/**
 * Ends every task of a deployment that has not ended: for one that was aborted, replaced or refused. Whoever runs one
 * learns within seconds that it is no longer theirs, and stops it.
 */
export async function skipTasks(tx: Transaction, deployment: number, why: string): Promise<void> {
  const skipped = await tx
    .update(deploymentTasks)
    .set({
      status: 'SKIPPED',
      failureReason: why,
      finishedAt: sql`now()`,
      // The secret of a webhook has done its work.
      spec: sql`${deploymentTasks.spec} - 'secret'`,
    })
    .where(
      and(
        eq(deploymentTasks.deployment, deployment),
        inArray(deploymentTasks.status, ['WAITING', 'QUEUED', 'RUNNING']),
      ),
    )
    .returning({ id: deploymentTasks.id });
  if (skipped.length > 0) await announce(tx, 'deployments');
}
