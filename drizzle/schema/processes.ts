import { bigint, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { moment } from './columns.ts';

/** The workers that have said they are there. What each does is in `jobs`. */
export const workers = pgTable('workers', {
  name: text().primaryKey(),
  /** What it can do; a project may ask for some of them. */
  labels: jsonb().$type<Record<string, string>>().notNull(),
  host: text().notNull(),
  version: text().notNull(),
  startedAt: moment('started_at').notNull().defaultNow(),
  lastSeenAt: moment('last_seen_at').notNull().defaultNow(),
  /** Since when it takes no new job. */
  drainingSince: moment('draining_since'),
  drainedBy: text('drained_by'),
  /** When it said that it ends; a worker that was killed says nothing. */
  stoppedAt: moment('stopped_at'),
});

/** Which server leads which loop. Each change of leader raises the epoch; a write with an older one is refused. */
export const leaderships = pgTable('leaderships', {
  loop: text().primaryKey(),
  epoch: bigint({ mode: 'number' }).notNull(),
  leader: text().notNull(),
  since: moment('since').notNull().defaultNow(),
  renewedAt: moment('renewed_at').notNull().defaultNow(),
});
