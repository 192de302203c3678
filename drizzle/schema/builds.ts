import { sql } from 'drizzle-orm';
import { bigint, index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import type { WrittenRolloutSettings } from '../../packages/shared/src/rollout-plan.ts';
import type { ReplicaStatus } from '../../packages/shared/src/words.ts';
import { bytes, moment } from './columns.ts';
import { jobs } from './jobs.ts';
import { projects, regions } from './projects.ts';

export const builds = pgTable(
  'builds',
  {
    id: text().primaryKey(),
    project: text()
      .notNull()
      .references(() => projects.name),
    commitSha: text('commit_sha').notNull(),
    jobId: bigint('job_id', { mode: 'number' })
      .notNull()
      .unique()
      .references(() => jobs.id),
    commitAuthor: text('commit_author').notNull(),
    commitSubject: text('commit_subject').notNull(),
    committedAt: moment('committed_at').notNull(),
    manifestDigest: text('manifest_digest').notNull(),
    manifestBytes: bytes('manifest_bytes').notNull(),
    packDigest: text('pack_digest').notNull(),
    packBytes: bytes('pack_bytes').notNull(),
    infoHash: text('info_hash').notNull(),
    fileCount: integer('file_count').notNull(),
    /** `rollout` of its `starling.yml`, as written there; null when it says nothing. */
    rollout: jsonb().$type<WrittenRolloutSettings>(),
    createdAt: moment('created_at').notNull().defaultNow(),
    /** Since when it may not be deployed any more: its bytes go, its row stays as history. */
    expiredAt: moment('expired_at'),
    /** When its bytes were gone everywhere. */
    sweptAt: moment('swept_at'),
  },
  (table) => [
    index('builds_by_project').on(table.project, table.createdAt, table.id),
    index('builds_by_time').on(table.createdAt, table.id),
    index('builds_by_commit').on(table.commitSha.op('text_pattern_ops')),
    index('builds_unswept').on(table.expiredAt).where(sql`${table.sweptAt} is null`),
    index('builds_by_pack').on(table.packDigest),
  ],
);

/** A build's presence in one region. */
export const replicas = pgTable(
  'replicas',
  {
    buildId: text('build_id')
      .notNull()
      .references(() => builds.id),
    region: text()
      .notNull()
      .references(() => regions.name),
    status: text().$type<ReplicaStatus>().notNull().default('PENDING'),
    bytesDone: bytes('bytes_done').notNull().default(0),
    bytesTotal: bytes('bytes_total').notNull(),
    attempts: integer().notNull().default(0),
    failureReason: text('failure_reason'),
    nextAttemptAt: moment('next_attempt_at').notNull().defaultNow(),
    startedAt: moment('started_at'),
    finishedAt: moment('finished_at'),
  },
  (table) => [
    primaryKey({ columns: [table.buildId, table.region] }),
    index('replicas_unfinished').on(table.status, table.nextAttemptAt),
  ],
);
