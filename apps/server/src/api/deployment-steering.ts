import { StarlingError } from '@starling/shared/errors.ts';
import { eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { deployments } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import type { Transaction } from '../db/connect.ts';
import { isOnline } from '../fleet/online.ts';
import { type Intent, pause, promote, resume, type Steered } from '../steering/commands.ts';
import type { Caller, Context } from './context.ts';
import { ofDeployment } from './scopes.ts';
import { needs } from './trpc.ts';

const id = z.number().int().positive();
const reason = z.string().trim().max(1_000).default('');

/** The procedures that steer a deployment on its way. Each answers in every state, and says whether it is as was asked. */
export const steeringProcedures = {
  /** No wave begins, nothing is decided and no machine goes over to it until it is resumed; those that have begun go on. */
  pause: needs('deploy', ofDeployment)
    .input(z.object({ id, reason }))
    .mutation(({ ctx, input }) =>
      steer(ctx, input.id, 'deployment.pause', { reason: input.reason }, async (row, now) =>
        pause(row, ctx.caller.name, input.reason, now),
      ),
    ),

  /** Goes on after a pause or a halt; what had failed by then does not halt it again. */
  resume: needs('deploy', ofDeployment)
    .input(z.object({ id, reason }))
    .mutation(({ ctx, input }) =>
      steer(ctx, input.id, 'deployment.resume', { reason: input.reason }, async (row, now, tx) => {
        // Counted as the controller does: one that is offline now may not be made up for by another that fails later.
        const [failed] = (await tx.execute(sql`
          select count(*)::int as machines from machines m
          join deployment_machines dm on dm.deployment = ${input.id} and dm.machine = m.id
          where dm.step = 'FAILED' and ${isOnline}`)) as unknown as { machines: number }[];
        return resume(row, failed?.machines ?? 0, now);
      }),
    ),

  /** Begins the next wave now, without waiting for the one before it. */
  promote: needs('deploy', ofDeployment)
    .input(
      z.object({
        id,
        /** The wave in which the caller saw it: asked twice, it does not begin two. */
        wave: z.number().int().min(0).max(10_000).optional(),
      }),
    )
    .mutation(({ ctx, input }) =>
      steer(ctx, input.id, 'deployment.promote', {}, async (row) => promote(row, input.wave)),
    ),
};

async function steer(
  ctx: Context & { caller: Caller },
  deployment: number,
  action: string,
  details: Record<string, unknown>,
  decide: (row: Steered, now: Date, tx: Transaction) => Promise<Intent>,
) {
  return ctx.database.transaction(async (tx) => {
    // The controller writes the same row, with conditions on it: one of the two comes first.
    const [row] = await tx.select().from(deployments).where(eq(deployments.id, deployment)).for('update');
    if (!row) throw new StarlingError('NOT_FOUND', `There is no deployment ${deployment}.`, { field: 'id' });
    const { change, done, answer } = await decide(row, new Date(ctx.clock.now()), tx);
    if (change === null) return { ...row, changed: false, done, answer };
    const [after] = await tx.update(deployments).set(change).where(eq(deployments.id, deployment)).returning();
    await announce(tx, 'deployments');
    await recordAudit(tx, {
      actor: ctx.caller.name,
      action,
      project: row.project,
      target: String(deployment),
      details: { ...details, wave: row.wave, answer },
      requestId: ctx.requestId,
    });
    return { ...after!, changed: true, done, answer };
  });
}
