import { type AlertTarget, alertKinds, alertTarget } from '@starling/shared/alerts.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { projectName } from '@starling/shared/words.ts';
import { and, asc, desc, eq, isNull, lt, or, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { alertChannels, alertDeliveries, alerts } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import { findProject } from './projects.ts';
import { everywhere, somewhere, visibleIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

const channelName = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,62}$/,
    'a channel name is lower-case letters, digits and hyphens, and begins with a letter',
  );
const testPatienceMs = 15_000;

/** A channel without its secrets: a webhook's address is one, as whoever has it can post there. */
function shown(channel: typeof alertChannels.$inferSelect) {
  const { target, ...rest } = channel;
  return {
    ...rest,
    type: target.type,
    sendsTo: sendsTo(target),
    signed: 'secret' in target && target.secret !== undefined,
  };
}

const sendsTo = (target: AlertTarget): string =>
  target.type === 'email' ? target.to.join(', ') : new URL(target.url).host;

export const alertsRouter = router({
  /** What people were told of, newest first; those of all projects go to everyone. `open`: only what is still so. */
  list: needs('view', somewhere)
    .input(
      z.object({
        project: projectName.optional(),
        kind: z.enum(alertKinds).optional(),
        open: z.boolean().default(false),
        before: z.number().int().positive().optional(),
        limit: z.number().int().min(1).max(200).default(50),
      }),
    )
    .query(({ ctx, input }) => {
      const visible = visibleIn(ctx.caller, alerts.project);
      const conditions: (SQL | undefined)[] = [visible && or(visible, isNull(alerts.project))];
      if (input.project) conditions.push(eq(alerts.project, input.project));
      if (input.kind) conditions.push(eq(alerts.kind, input.kind));
      if (input.open) conditions.push(isNull(alerts.clearedAt));
      if (input.before) conditions.push(lt(alerts.id, input.before));
      return ctx.database
        .select()
        .from(alerts)
        .where(and(...conditions))
        .orderBy(desc(alerts.id))
        .limit(input.limit);
    }),

  channels: needs('administer', everywhere).query(async ({ ctx }) => {
    const rows = await ctx.database.select().from(alertChannels).orderBy(asc(alertChannels.name));
    return rows.map(shown);
  }),

  /** Makes a channel, or changes the one of this name. */
  setChannel: needs('administer', everywhere)
    .input(
      z.object({
        name: channelName,
        target: alertTarget,
        kinds: z
          .array(z.enum(alertKinds))
          .min(1)
          .default([...alertKinds]),
        /** Only alerts of this project; all of them when left out. */
        project: projectName.optional(),
        enabled: z.boolean().default(true),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      if (input.project) await findProject(ctx.database, input.project);
      const values = {
        target: input.target,
        kinds: [...new Set(input.kinds)],
        project: input.project ?? null,
        disabledAt: input.enabled ? null : new Date(ctx.clock.now()),
      };
      return ctx.database.transaction(async (tx) => {
        const [row] = await tx
          .insert(alertChannels)
          .values({ name: input.name, createdBy: ctx.caller.name, ...values })
          .onConflictDoUpdate({ target: alertChannels.name, set: values })
          .returning();
        await announce(tx, 'alerts');
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'alert-channel.set',
          project: values.project,
          target: input.name,
          details: {
            type: input.target.type,
            sendsTo: sendsTo(input.target),
            kinds: values.kinds,
            enabled: input.enabled,
          },
          requestId: ctx.requestId,
        });
        return shown(row!);
      });
    }),

  /** Removes a channel with what was still to be sent through it. Doing it twice is harmless. */
  removeChannel: needs('administer', everywhere)
    .input(z.object({ name: channelName }))
    .mutation(({ ctx, input }) =>
      ctx.database.transaction(async (tx) => {
        const [removed] = await tx.delete(alertChannels).where(eq(alertChannels.name, input.name)).returning();
        if (!removed) return { removed: false };
        await announce(tx, 'alerts');
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'alert-channel.remove',
          project: removed.project,
          target: input.name,
          requestId: ctx.requestId,
        });
        return { removed: true };
      }),
    ),

  /** Sends a word through a channel now and says whether it arrived. */
  testChannel: needs('administer', everywhere)
    .input(z.object({ name: channelName }))
    .mutation(async ({ ctx, input }) => {
      const [channel] = await ctx.database.select().from(alertChannels).where(eq(alertChannels.name, input.name));
      if (!channel) {
        throw new StarlingError('NOT_FOUND', `There is no channel "${input.name}".`, {
          field: 'name',
          fix: 'List them with: starling alerts channels',
        });
      }
      await ctx.database.transaction((tx) =>
        recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'alert-channel.test',
          project: channel.project,
          target: channel.name,
          requestId: ctx.requestId,
        }),
      );
      const now = ctx.clock.now();
      const message = {
        deliveryId: `test-${ctx.requestId}`,
        kind: 'test',
        project: channel.project,
        title: 'A test of this channel',
        text: `${ctx.caller.name} asked Starling to send it.`,
        url: `${ctx.publicUrl ?? ''}/`,
        raisedAt: new Date(now),
        over: false,
      };
      return ctx.sendAlert(channel.target, message, { nowMs: now, signal: AbortSignal.timeout(testPatienceMs) }).then(
        () => ({ arrived: true, error: null }),
        (thrown: unknown) => ({ arrived: false, error: messageOf(thrown) }),
      );
    }),

  /** What is on its way or was given up (`DEAD`), newest first, with the last reason. */
  deliveries: needs('administer', everywhere)
    .input(
      z.object({
        status: z.enum(['PENDING', 'DELIVERED', 'DEAD']).optional(),
        channel: channelName.optional(),
        /** The alert's number of the last one of the page before. */
        before: z.number().int().positive().optional(),
        limit: z.number().int().min(1).max(200).default(50),
      }),
    )
    .query(({ ctx, input }) => {
      const conditions: SQL[] = [];
      if (input.status) conditions.push(eq(alertDeliveries.status, input.status));
      if (input.channel) conditions.push(eq(alertDeliveries.channel, input.channel));
      if (input.before) conditions.push(lt(alertDeliveries.alert, input.before));
      return ctx.database
        .select({
          alert: alertDeliveries.alert,
          channel: alertDeliveries.channel,
          status: alertDeliveries.status,
          attempts: alertDeliveries.attempts,
          nextAttemptAt: alertDeliveries.nextAttemptAt,
          lastError: alertDeliveries.lastError,
          deliveredAt: alertDeliveries.deliveredAt,
          kind: alerts.kind,
          title: alerts.title,
          raisedAt: alerts.raisedAt,
        })
        .from(alertDeliveries)
        .innerJoin(alerts, eq(alerts.id, alertDeliveries.alert))
        .where(and(...conditions))
        .orderBy(desc(alertDeliveries.alert), asc(alertDeliveries.channel))
        .limit(input.limit);
    }),

  /** Sends what was given up again, with all its attempts anew; only one channel's, or one alert's, when named. */
  resend: needs('administer', everywhere)
    .input(z.object({ channel: channelName.optional(), alert: z.number().int().positive().optional() }))
    .mutation(({ ctx, input }) =>
      ctx.database.transaction(async (tx) => {
        const conditions: SQL[] = [eq(alertDeliveries.status, 'DEAD')];
        if (input.channel) conditions.push(eq(alertDeliveries.channel, input.channel));
        if (input.alert) conditions.push(eq(alertDeliveries.alert, input.alert));
        const rows = await tx
          .update(alertDeliveries)
          .set({ status: 'PENDING', attempts: 0, nextAttemptAt: new Date(ctx.clock.now()) })
          .where(and(...conditions))
          .returning({ alert: alertDeliveries.alert });
        if (rows.length === 0) return { resent: 0 };
        await announce(tx, 'alerts');
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'alert.resend',
          project: null,
          target: input.channel ?? 'all channels',
          details: { deliveries: rows.length },
          requestId: ctx.requestId,
        });
        return { resent: rows.length };
      }),
    ),
});
