import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { and, asc, eq, lte } from 'drizzle-orm';
import { alertChannels, alertDeliveries, alerts } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import type { Send } from './senders.ts';

/** How often a delivery is tried before a person has to look: over about an hour and a half. */
export const mostAttempts = 10;
const mostAtOnce = 50;
const firstPauseMs = 10_000;
const longestPauseMs = 60 * 60_000;

/** 10 s, 20 s, 40 s … an hour at most. */
export const pauseAfter = (attempts: number): number =>
  Math.min(longestPauseMs, firstPauseMs * 2 ** Math.max(0, attempts - 1));

export interface DeliverOptions {
  database: Database;
  send: Send;
  /** Where the console is reached, without a slash at the end; undefined when that is not known. */
  publicUrl: string | undefined;
  clock: Clock;
  log: Logger;
}

/**
 * Sends what is due, at least once: a server that dies after sending and before noting it sends again. Returns how many
 * were tried.
 */
export async function deliverDue(options: DeliverOptions, signal: AbortSignal): Promise<number> {
  const { database, clock } = options;
  const due = await database
    .select({ delivery: alertDeliveries, alert: alerts, target: alertChannels.target })
    .from(alertDeliveries)
    .innerJoin(alerts, eq(alerts.id, alertDeliveries.alert))
    .innerJoin(alertChannels, eq(alertChannels.name, alertDeliveries.channel))
    .where(and(eq(alertDeliveries.status, 'PENDING'), lte(alertDeliveries.nextAttemptAt, new Date(clock.now()))))
    .orderBy(asc(alertDeliveries.nextAttemptAt))
    .limit(mostAtOnce);
  await Promise.all(due.map((one) => deliverOne(options, one, signal)));
  return due.length;
}

interface Due {
  delivery: typeof alertDeliveries.$inferSelect;
  alert: typeof alerts.$inferSelect;
  target: typeof alertChannels.$inferSelect.target;
}

async function deliverOne(options: DeliverOptions, { delivery, alert, target }: Due, signal: AbortSignal) {
  const { database, send, publicUrl, clock, log } = options;
  const attempts = delivery.attempts + 1;
  const row = and(eq(alertDeliveries.alert, delivery.alert), eq(alertDeliveries.channel, delivery.channel));
  const set = (values: Partial<typeof alertDeliveries.$inferInsert>) =>
    database.transaction((tx) => tx.update(alertDeliveries).set(values).where(row));
  try {
    await send(
      target,
      {
        deliveryId: `alert-${alert.id}-${delivery.channel}`,
        kind: alert.kind,
        project: alert.project,
        title: alert.title,
        text: alert.text,
        url: `${publicUrl ?? ''}${alert.path}`,
        raisedAt: alert.raisedAt,
        over: alert.clearedAt !== null,
      },
      { nowMs: clock.now(), signal },
    );
  } catch (thrown) {
    // Cut off because this server stops leading: the next leader sends it, and it counts as no attempt.
    if (signal.aborted) return;
    const dead = attempts >= mostAttempts;
    const lastError = messageOf(thrown).slice(0, 1_000);
    log.warn(`alert ${alert.id} to ${delivery.channel}: attempt ${attempts}${dead ? ', given up' : ''}: ${lastError}`);
    const nextAttemptAt = new Date(clock.now() + pauseAfter(attempts));
    await set({ status: dead ? 'DEAD' : 'PENDING', attempts, lastError, nextAttemptAt });
    return;
  }
  await set({ status: 'DELIVERED', attempts, lastError: null, deliveredAt: new Date(clock.now()) });
}
