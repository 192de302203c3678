import { StarlingError } from '@starling/shared/errors.ts';
import { weeklyWindow } from '@starling/shared/freezes.ts';
import { projectName } from '@starling/shared/words.ts';
import { and, desc, eq, gt, isNull, or, sql } from 'drizzle-orm';
import { z } from 'zod';
import { approvals, deployments, freezeWindows } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import { freezes, thawsAt } from '../gates/freeze.ts';
import { waitingDeployments } from '../gates/waiting.ts';
import type { Caller, Context } from './context.ts';
import { findProject } from './projects.ts';
import { ofDeployment, ofFreeze, ofProjectOrAll, somewhere, visibleIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

const voice = z.object({ id: z.number().int().positive(), comment: z.string().trim().max(1_000).default('') });

/** Says yes or no to a deployment that waits. Said again it replaces what was said before. */
async function speak(
  ctx: Context & { caller: Caller },
  { id, comment }: z.infer<typeof voice>,
  decision: 'APPROVED' | 'REJECTED',
) {
  return ctx.database.transaction(async (tx) => {
    const [deployment] = await tx.select().from(deployments).where(eq(deployments.id, id)).for('update');
    if (!deployment) throw new StarlingError('NOT_FOUND', `There is no deployment ${id}.`, { field: 'id' });
    if (deployment.status !== 'WAITING') {
      throw new StarlingError('CONFLICT', `Deployment ${id} is ${deployment.status}: there is nothing to decide.`, {
        field: 'id',
      });
    }
    const row = { deployment: id, approver: ctx.caller.name, decision, comment };
    await tx
      .insert(approvals)
      .values(row)
      .onConflictDoUpdate({
        target: [approvals.deployment, approvals.approver],
        set: { decision, comment, at: sql`now()` },
      });
    await announce(tx, 'deployments');
    await recordAudit(tx, {
      actor: ctx.caller.name,
      action: decision === 'APPROVED' ? 'deployment.approve' : 'deployment.reject',
      project: deployment.project,
      target: String(id),
      details: { build: deployment.buildId, comment },
      requestId: ctx.requestId,
    });
    const countsNot =
      decision === 'APPROVED' && deployment.requestedBy === ctx.caller.name
        ? 'You asked for this deployment yourself, so your own approval does not count.'
        : null;
    return { ...row, note: countsNot };
  });
}

export const approvalsRouter = router({
  approve: needs('approve', ofDeployment)
    .input(voice)
    .mutation(({ ctx, input }) => speak(ctx, input, 'APPROVED')),

  reject: needs('approve', ofDeployment)
    .input(voice)
    .mutation(({ ctx, input }) => speak(ctx, input, 'REJECTED')),

  /** Every deployment one may see that waits, oldest first: for what, and why one's own yes would not count. */
  waiting: needs('view', somewhere).query(({ ctx }) => {
    const { caller } = ctx;
    const onlooker = { name: caller.name, grants: caller.kind === 'person' ? caller.grants : [] };
    return waitingDeployments(ctx.database, visibleIn(caller, deployments.project), onlooker);
  }),
});

export const freezesRouter = router({
  /** Those that hold or will hold, of the projects one may see and of all; `holds` says whether now, `until` until when. */
  list: needs('view', somewhere).query(async ({ ctx }) => {
    const visible = visibleIn(ctx.caller, freezeWindows.project);
    const rows = await ctx.database
      .select()
      .from(freezeWindows)
      .where(
        and(
          isNull(freezeWindows.liftedAt),
          or(isNull(freezeWindows.endsAt), gt(freezeWindows.endsAt, sql`now()`)),
          visible && or(visible, isNull(freezeWindows.project)),
        ),
      )
      .orderBy(desc(freezeWindows.id))
      .limit(200);
    const nowMs = ctx.clock.now();
    return rows.map((row) => {
      const holds = freezes(row, nowMs);
      return { ...row, holds, until: holds ? thawsAt(row, nowMs) : null };
    });
  }),

  /** Lets nothing but hotfixes and rollbacks begin: once, or every week within the time given. */
  add: needs('administer', ofProjectOrAll)
    .input(
      z.object({
        /** All projects when left out. */
        project: projectName.optional(),
        reason: z.string().trim().min(1).max(500),
        /** Now when left out. */
        startsAt: z.iso.datetime({ offset: true }).optional(),
        /** Until it is lifted when left out. */
        endsAt: z.iso.datetime({ offset: true }).optional(),
        weekly: weeklyWindow.optional(),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      if (input.project) await findProject(ctx.database, input.project);
      const startsAt = new Date(input.startsAt ?? ctx.clock.now());
      const endsAt = input.endsAt === undefined ? null : new Date(input.endsAt);
      if (endsAt !== null && endsAt <= startsAt) {
        throw new StarlingError('INVALID_INPUT', 'endsAt: is not after startsAt', { field: 'endsAt' });
      }
      return ctx.database.transaction(async (tx) => {
        const [row] = await tx
          .insert(freezeWindows)
          .values({
            project: input.project ?? null,
            reason: input.reason,
            startsAt,
            endsAt,
            weekly: input.weekly ?? null,
            createdBy: ctx.caller.name,
          })
          .returning();
        await announce(tx, 'deployments');
        const { id, ...details } = row!;
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'freeze.add',
          project: row!.project,
          target: String(id),
          details,
          requestId: ctx.requestId,
        });
        return row!;
      });
    }),

  /** Ends a freeze before its time. Doing it twice is harmless. */
  lift: needs('administer', ofFreeze)
    .input(z.object({ id: z.number().int().positive() }))
    .mutation(({ ctx, input }) =>
      ctx.database.transaction(async (tx) => {
        const [row] = await tx
          .update(freezeWindows)
          .set({ liftedAt: sql`now()`, liftedBy: ctx.caller.name })
          .where(and(eq(freezeWindows.id, input.id), isNull(freezeWindows.liftedAt)))
          .returning();
        if (!row) return { id: input.id, lifted: false };
        await announce(tx, 'deployments');
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'freeze.lift',
          project: row.project,
          target: String(row.id),
          details: { reason: row.reason },
          requestId: ctx.requestId,
        });
        return { id: row.id, lifted: true };
      }),
    ),
});
