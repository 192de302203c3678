import { sql } from 'drizzle-orm';
import { bigint, index, integer, pgTable, text } from 'drizzle-orm/pg-core';
import type { CheckStage, CheckVerdict } from '../../packages/shared/src/rollout-checks.ts';
import { moment } from './columns.ts';
import { deployments } from './deployments.ts';

/** What was measured of a deployment, each time that a check was made. Written by the loop that measures. */
export const measurements = pgTable(
  'measurements',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    deployment: bigint({ mode: 'number' })
      .notNull()
      .references(() => deployments.id, { onDelete: 'cascade' }),
    /** The wave that bakes, or that is to begin. */
    wave: integer().notNull(),
    stage: text().$type<CheckStage>().notNull(),
    /** The check's name in the plan. */
    check: text().notNull(),
    beganAt: moment('began_at').notNull().defaultNow(),
    endedAt: moment('ended_at'),
    /** Null while it is being measured. */
    verdict: text().$type<CheckVerdict>(),
    /** What was measured, and why that means what it does; in a sentence without a full stop. */
    detail: text().notNull().default(''),
    /** The deployment's task that runs the command. */
    task: bigint({ mode: 'number' }),
  },
  (table) => [
    index('measurements_by_deployment').on(table.deployment, table.id),
    index('measurements_open').on(table.id).where(sql`${table.verdict} is null`),
  ],
);
