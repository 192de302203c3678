import { bigint, index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import type { AlertKind, AlertTarget } from '../../packages/shared/src/alerts.ts';
import { moment } from './columns.ts';

/** Where alerts are sent. */
export const alertChannels = pgTable('alert_channels', {
  name: text().primaryKey(),
  target: jsonb().$type<AlertTarget>().notNull(),
  /** Which alerts it gets. */
  kinds: jsonb().$type<AlertKind[]>().notNull(),
  /** Of which project; null for all. */
  project: text(),
  createdBy: text('created_by').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
  disabledAt: moment('disabled_at'),
});

/** Something a person should know. Derived from the other tables; its key keeps it from being said twice. */
export const alerts = pgTable(
  'alerts',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    kind: text().$type<AlertKind>().notNull(),
    /** Names the occurrence, for example `deployment.failed:17`. */
    key: text().notNull().unique(),
    project: text(),
    title: text().notNull(),
    text: text().notNull(),
    /** The page of the console that shows it, from `/`. */
    path: text().notNull(),
    raisedAt: moment('raised_at').notNull().defaultNow(),
    /** When what it says was over, for those that end (a silent region that answers again). */
    clearedAt: moment('cleared_at'),
  },
  (table) => [index('alerts_by_project').on(table.project, table.id)],
);

/** One alert on its way through one channel. */
export const alertDeliveries = pgTable(
  'alert_deliveries',
  {
    alert: bigint({ mode: 'number' })
      .notNull()
      .references(() => alerts.id, { onDelete: 'cascade' }),
    channel: text()
      .notNull()
      .references(() => alertChannels.name, { onDelete: 'cascade' }),
    /** DEAD: given up after its attempts; a person may send it again. */
    status: text().$type<'PENDING' | 'DELIVERED' | 'DEAD'>().notNull().default('PENDING'),
    attempts: integer().notNull().default(0),
    nextAttemptAt: moment('next_attempt_at').notNull().defaultNow(),
    lastError: text('last_error'),
    deliveredAt: moment('delivered_at'),
  },
  (table) => [
    primaryKey({ columns: [table.alert, table.channel] }),
    index('alert_deliveries_due').on(table.status, table.nextAttemptAt),
  ],
);
