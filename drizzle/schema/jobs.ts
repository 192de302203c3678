import { sql } from 'drizzle-orm';
import { bigint, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core';
import type { JobStage, JobStatus } from '../../packages/shared/src/words.ts';
import { moment } from './columns.ts';
import { projects } from './projects.ts';

export const jobs = pgTable(
  'jobs',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    project: text()
      .notNull()
      .references(() => projects.name),
    commitSha: text('commit_sha').notNull(),
    /** The branch, tag or SHA as the person wrote it. */
    requestedRef: text('requested_ref').notNull(),
    requestedBy: text('requested_by').notNull(),
    /** Higher goes first; those of one priority go in the order they came. */
    priority: integer().notNull().default(0),
    /** Given by whoever asks, so that asking twice is one job. */
    idempotencyKey: text('idempotency_key'),
    /** Labels that a worker must have to take it. */
    workerLabels: jsonb('worker_labels').$type<Record<string, string>>().notNull().default({}),
    /** The job that this one tries again. */
    retryOf: bigint('retry_of', { mode: 'number' }),
    repositoryUrl: text('repository_url').notNull(),
    binaryName: text('binary_name').notNull(),
    status: text().$type<JobStatus>().notNull().default('QUEUED'),
    stage: text().$type<JobStage>(),
    attempts: integer().notNull().default(0),
    maxAttempts: integer('max_attempts').notNull(),
    /** How long one attempt may take before the monitor ends it, whatever its worker says. */
    deadlineMs: integer('deadline_ms').notNull(),
    /** The worker of the running attempt. Every later write names it and the attempt, or does nothing. */
    worker: text(),
    failureReason: text('failure_reason'),
    buildId: text('build_id'),
    createdAt: moment('created_at').notNull().defaultNow(),
    startedAt: moment('started_at'),
    lastHeartbeatAt: moment('last_heartbeat_at'),
    finishedAt: moment('finished_at'),
  },
  (table) => [
    // A job's row is rewritten when it is taken and when it ends, and each index it is in then gets an entry more. So the
    // indexes hold only the rows that are looked for by them, and none is over what a heartbeat changes.
    uniqueIndex('jobs_by_key').on(table.idempotencyKey).where(sql`${table.idempotencyKey} is not null`),
    index('jobs_queue').on(table.priority.desc().nullsFirst(), table.id).where(sql`${table.status} = 'QUEUED'`),
    index('jobs_running').on(table.project, table.id).where(sql`${table.status} = 'RUNNING'`),
    index('jobs_by_project').on(table.project, table.id),
    index('jobs_by_status').on(table.status, table.id).where(sql`${table.status} in ('FAILED', 'CANCELLED')`),
    index('jobs_by_person').on(table.requestedBy, table.id),
    index('jobs_by_commit').on(table.commitSha.op('text_pattern_ops'), table.id),
    index('jobs_by_end').on(table.finishedAt).where(sql`${table.finishedAt} is not null`),
  ],
);

/** A job's log in the order it was written; an attempt's pieces follow those of the attempt before. */
export const jobLogPieces = pgTable(
  'job_log_pieces',
  {
    jobId: bigint('job_id', { mode: 'number' })
      .notNull()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    attempt: integer().notNull(),
    sequence: integer().notNull(),
    text: text().notNull(),
    at: moment('at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.attempt, table.sequence] })],
);

/** When each stage of a job's last attempt began and ended. */
export const jobStageTimes = pgTable(
  'job_stage_times',
  {
    jobId: bigint('job_id', { mode: 'number' })
      .notNull()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    attempt: integer().notNull(),
    stage: text().$type<JobStage>().notNull(),
    startedAt: moment('started_at').notNull(),
    finishedAt: moment('finished_at'),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.attempt, table.stage] })],
);
