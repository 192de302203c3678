import { bigint, index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { moment } from './columns.ts';

/**
 * Every change that was made, by whom. Append-only: a trigger refuses to change or remove a row, and each row holds the
 * hash of the one before, so that what is done behind the trigger's back shows.
 */
export const auditLog = pgTable(
  'audit_log',
  {
    /** 1, 2, 3 … without a gap. */
    id: bigint({ mode: 'number' }).primaryKey(),
    at: moment('at').notNull(),
    /** An account's name, `hub:<name>`, `worker:<name>`, `webhook:<source>`, or `starling` itself. */
    actor: text().notNull(),
    /** What was done, as `<noun>.<verb>`, for example `deployment.start`. */
    action: text().notNull(),
    /** The project concerned; null for what concerns all of Starling. */
    project: text(),
    /** What it was done to: a build id, a deployment's number, an account's name … */
    target: text().notNull(),
    details: jsonb().$type<Record<string, unknown>>().notNull(),
    requestId: text('request_id'),
    previousHash: text('previous_hash').notNull(),
    hash: text().notNull(),
  },
  (table) => [
    index('audit_log_by_project').on(table.project, table.id),
    index('audit_log_by_actor').on(table.actor, table.id),
    index('audit_log_by_project_and_actor').on(table.project, table.actor, table.id),
    index('audit_log_by_project_and_action').on(table.project, table.action, table.id),
    index('audit_log_by_action').on(table.action, table.id),
    index('audit_log_by_time').on(table.at),
  ],
);

/** Where the chain of the audit log ends. Its one row is locked while a link is added. */
export const auditHead = pgTable('audit_head', {
  id: integer().primaryKey(),
  lastId: bigint('last_id', { mode: 'number' }).notNull(),
  lastHash: text('last_hash').notNull(),
});
