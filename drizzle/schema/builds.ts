import { sql } from 'drizzle-orm';
import { bigint, index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import type { WrittenRolloutSettings } from '../../packages/shared/src/rollout-plan.ts';
import type { ReplicaStatus } from '../../packages/shared/src/words.ts';
import { bytes, moment } from './columns.ts';
import { jobs } from './jobs.ts';
import { projects, regions } from './projects.ts';

/** A pack that is, or is about to be, in the main store: noted before the first byte of it is uploaded. */
export const packs = pgTable('packs', {
  /** SHA-256 of its bytes. */
  digest: text().primaryKey(),
  project: text()
    .notNull()
    .references(() => projects.name),
  sizeBytes: bytes('size_bytes').notNull(),
  patchBytes: bytes('patch_bytes').notNull(),
  infoHash: text('info_hash').notNull(),
  /** When a worker last said that it stores it. */
  storedAt: moment('stored_at').notNull().defaultNow(),
  /** Since when its bytes are being deleted: from then on no build can name it. */
  deletingAt: moment('deleting_at'),
});

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
    /** The contents of all its files. */
    streamBytes: bytes('stream_bytes').notNull(),
    /** Of these, in chunks that no earlier build had. */
    newBytes: bytes('new_bytes').notNull(),
    chunkCount: integer('chunk_count').notNull(),
    newChunkCount: integer('new_chunk_count').notNull(),
    /** The pack that it brought, whether or not it is still there; null when nothing was new. */
    packDigest: text('pack_digest'),
    /** What its own pack takes: chunks as they are stored, and patches; 0 when it brought none. */
    packBytes: bytes('pack_bytes').notNull(),
    /** Of these, patches. */
    patchBytes: bytes('patch_bytes').notNull(),
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
  ],
);

/** Which builds name which packs: a pack is kept for as long as a build that is kept names it. */
export const buildPacks = pgTable(
  'build_packs',
  {
    buildId: text('build_id')
      .notNull()
      .references(() => builds.id),
    pack: text()
      .notNull()
      .references(() => packs.digest),
  },
  (table) => [primaryKey({ columns: [table.buildId, table.pack] }), index('build_packs_by_pack').on(table.pack)],
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
