import { StarlingError } from '@starling/shared/errors.ts';
import type { DeploymentTaskSpec } from '@starling/shared/project-settings.ts';
import { and, asc, desc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { deploymentTasks } from '../../../../drizzle/schema/index.ts';
import { ofDeployment } from './scopes.ts';
import { needs, router } from './trpc.ts';

const id = z.number().int().positive();

export const tasksRouter = router({
  /** The tasks of a deployment in the order in which they run, without their logs. */
  list: needs('view', ofDeployment)
    .input(z.object({ id }))
    .query(async ({ ctx, input }) => {
      const rows = await ctx.database
        .select({
          id: deploymentTasks.id,
          phase: deploymentTasks.phase,
          position: deploymentTasks.position,
          spec: deploymentTasks.spec,
          status: deploymentTasks.status,
          attempts: deploymentTasks.attempts,
          runner: deploymentTasks.runner,
          failureReason: deploymentTasks.failureReason,
          startedAt: deploymentTasks.startedAt,
          finishedAt: deploymentTasks.finishedAt,
        })
        .from(deploymentTasks)
        .where(eq(deploymentTasks.deployment, input.id))
        .orderBy(desc(deploymentTasks.phase), asc(deploymentTasks.position));
      return rows.map(({ spec, ...task }) => ({ ...task, ...shown(spec) }));
    }),

  /** What one task of a deployment said in all its attempts: the beginning and the end of it when it said much. */
  log: needs('view', ofDeployment)
    .input(z.object({ id, task: id }))
    .query(async ({ ctx, input }) => {
      const [task] = await ctx.database
        .select({ log: deploymentTasks.log, status: deploymentTasks.status })
        .from(deploymentTasks)
        .where(and(eq(deploymentTasks.id, input.task), eq(deploymentTasks.deployment, input.id)));
      if (task) return task;
      throw new StarlingError('NOT_FOUND', `Deployment ${input.id} has no task ${input.task}.`, {
        field: 'task',
        fix: `List them with: starling tasks ${input.id}`,
      });
    }),
});

/** What everybody who may look may see: not the secret of a webhook, nor the rest of its address, which may be one. */
function shown(spec: DeploymentTaskSpec) {
  const { name, timeout: timeoutMs, attempts: maxAttempts } = spec;
  const what = spec.type === 'command' ? spec.command : new URL(spec.url).origin;
  return { name, type: spec.type, what, timeoutMs, maxAttempts };
}
