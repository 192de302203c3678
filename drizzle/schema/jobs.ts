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
    /**
     * `<project> <commit>` while this job is the one that has the commit: from when it is queued until it ends badly, its
     * build expires, or a forced job takes its place. Unique, so that a commit is built once however many ask at once.
     */
    commitKey: text('commit_key'),
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
  // A job's row is rewritten when it is taken, when its stage changes, at each heartbeat and when it ends. As long as no index
  // is over what changes then, PostgreSQL writes the new version into the same page and no index at all (a "heap-only tuple";
  // the pages have room for it, see the migration). So which jobs wait and which run is held in tables of their own, below;
  // those that ended badly are found by their reason, which a good end never touches; and the time of the end has a BRIN
  // index, which does not count.
  (table) => [
    uniqueIndex('jobs_by_key').on(table.idempotencyKey).where(sql`${table.idempotencyKey} is not null`),
    uniqueIndex('jobs_by_commit_key').on(table.commitKey).where(sql`${table.commitKey} is not null`),
    index('jobs_by_project').on(table.project, table.id),
    index('jobs_with_reason').on(table.id).where(sql`${table.failureReason} is not null`),
    index('jobs_with_reason_by_project').on(table.project, table.id).where(sql`${table.failureReason} is not null`),
    index('jobs_by_person').on(table.requestedBy, table.id),
    index('jobs_by_commit').on(table.commitSha.op('text_pattern_ops'), table.id),
    index('jobs_by_end').using('brin', table.finishedAt).with({ pages_per_range: 16 }),
  ],
);

/**
 * The queue: a row for each job that is QUEUED, in the order in which they are taken. Written only with `jobs.status`, in
 * the same transaction, by the statements in `jobs/`; a row is never changed. Locked before the job's own row.
 */
export const jobsWaiting = pgTable(
  'jobs_waiting',
  {
    jobId: bigint('job_id', { mode: 'number' }).notNull(),
    project: text().notNull(),
    priority: integer().notNull(),
    workerLabels: jsonb('worker_labels').$type<Record<string, string>>().notNull(),
  },
  (table) => [uniqueIndex('jobs_waiting_order').on(table.priority.desc().nullsFirst(), table.jobId)],
);

/**
 * A row for each time that a job was taken, with the project it is of: every job that is RUNNING is in here. Those that have
 * ended are cleared away by the monitor a little later, so ask for the status as well. Ending a job thus writes its own row
 * and nothing else; and as it is small and read as a whole, it has no index.
 */
export const jobsTaken = pgTable('jobs_taken', {
  jobId: bigint('job_id', { mode: 'number' }).notNull(),
  project: text().notNull(),
});

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
