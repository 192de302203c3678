import { bigint, index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import type { WeeklyWindow } from '../../packages/shared/src/freezes.ts';
import type { DeploymentTaskSpec } from '../../packages/shared/src/project-settings.ts';
import type { GateName, GateStatus, TaskPhase, TaskStatus } from '../../packages/shared/src/words.ts';
import { moment } from './columns.ts';
import { deployments } from './deployments.ts';

/** What a WAITING deployment waits for, gate by gate, and how each was passed. */
export const deploymentGates = pgTable(
  'deployment_gates',
  {
    deployment: bigint({ mode: 'number' })
      .notNull()
      .references(() => deployments.id, { onDelete: 'cascade' }),
    gate: text().$type<GateName>().notNull(),
    status: text().$type<GateStatus>().notNull(),
    /** What it waits for or why it was passed, in a sentence. */
    detail: text().notNull(),
    changedAt: moment('changed_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.deployment, table.gate] })],
);

/** Who said yes or no to a deployment. One voice a person; it may change until the gate is passed. */
export const approvals = pgTable(
  'approvals',
  {
    deployment: bigint({ mode: 'number' })
      .notNull()
      .references(() => deployments.id, { onDelete: 'cascade' }),
    approver: text().notNull(),
    decision: text().$type<'APPROVED' | 'REJECTED'>().notNull(),
    comment: text().notNull(),
    at: moment('at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.deployment, table.approver] })],
);

/** When nothing may be deployed but hotfixes: once, or every week. */
export const freezeWindows = pgTable(
  'freeze_windows',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** Null freezes every project. */
    project: text(),
    reason: text().notNull(),
    startsAt: moment('starts_at').notNull(),
    /** Null holds until it is lifted. */
    endsAt: moment('ends_at'),
    /** Within [startsAt, endsAt), only these hours of the week; null means all of them. */
    weekly: jsonb().$type<WeeklyWindow>(),
    createdBy: text('created_by').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    liftedAt: moment('lifted_at'),
    liftedBy: text('lifted_by'),
  },
  (table) => [index('freeze_windows_by_end').on(table.endsAt)],
);

/** A command or webhook that runs before a deployment may begin, or after its machines confirmed it. */
export const deploymentTasks = pgTable(
  'deployment_tasks',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    deployment: bigint({ mode: 'number' })
      .notNull()
      .references(() => deployments.id, { onDelete: 'cascade' }),
    phase: text().$type<TaskPhase>().notNull(),
    /** Tasks of a phase run one after another in this order. */
    position: integer().notNull(),
    /** As the project's settings said when the deployment was asked for. */
    spec: jsonb().$type<DeploymentTaskSpec>().notNull(),
    status: text().$type<TaskStatus>().notNull().default('WAITING'),
    attempts: integer().notNull().default(0),
    /** Who runs it: a worker (commands) or a control server (webhooks). */
    runner: text(),
    failureReason: text('failure_reason'),
    /** What it said; the end of it when it said too much. */
    log: text().notNull().default(''),
    startedAt: moment('started_at'),
    lastHeartbeatAt: moment('last_heartbeat_at'),
    /** Of one that is QUEUED again: when the attempt before ended. */
    finishedAt: moment('finished_at'),
  },
  (table) => [
    index('deployment_tasks_by_deployment').on(table.deployment, table.phase, table.position),
    index('deployment_tasks_open').on(table.status),
  ],
);

/** Webhooks that came in; a delivery that comes again changes nothing. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    /** Who sent it and for which project: `github/shop`. */
    source: text().notNull(),
    deliveryId: text('delivery_id').notNull(),
    event: text().notNull(),
    receivedAt: moment('received_at').notNull().defaultNow(),
    /** What was done about it, in a sentence. */
    outcome: text().notNull(),
    jobs: jsonb().$type<number[]>().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.source, table.deliveryId] }),
    index('webhook_deliveries_by_time').on(table.receivedAt),
  ],
);
