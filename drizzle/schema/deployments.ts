import { sql } from 'drizzle-orm';
import { bigint, boolean, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core';
import type { VersionKey } from '../../packages/shared/src/version-key.ts';
import type { DeploymentKind, DeploymentStatus, WhenBusy } from '../../packages/shared/src/words.ts';
import { builds } from './builds.ts';
import { moment } from './columns.ts';
import { projects } from './projects.ts';

export const deployments = pgTable(
  'deployments',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    project: text()
      .notNull()
      .references(() => projects.name),
    buildId: text('build_id')
      .notNull()
      .references(() => builds.id),
    kind: text().$type<DeploymentKind>().notNull(),
    /** What was to run before: where a failed deployment goes back to. */
    previousBuildId: text('previous_build_id').references(() => builds.id),
    requestedBy: text('requested_by').notNull(),
    reason: text().notNull(),
    status: text().$type<DeploymentStatus>().notNull().default('WAITING'),
    /** What to do while another deployment of the project runs. */
    whenBusy: text('when_busy').$type<WhenBusy>().notNull().default('REFUSE'),
    /** May pass freeze windows; asked for with a reason, and audited. */
    hotfix: boolean().notNull().default(false),
    /** Why it ended as it did, in a sentence. */
    outcome: text(),
    /** Seeds who is in which wave; random, so that no machine is always first. */
    salt: text().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    /** When its gates were passed and it began. */
    startedAt: moment('started_at'),
    finishedAt: moment('finished_at'),
  },
  (table) => [
    uniqueIndex('deployments_one_running').on(table.project).where(sql`${table.status} = 'RUNNING'`),
    index('deployments_by_project').on(table.project, table.id),
    index('deployments_by_start').on(table.project, table.startedAt),
    index('deployments_by_build').on(table.buildId, table.id),
    index('deployments_by_person').on(table.requestedBy, table.id),
    index('deployments_by_status').on(table.status, table.id),
    index('deployments_by_kind').on(table.kind, table.id),
    index('deployments_by_project_and_person').on(table.project, table.requestedBy, table.id),
    index('deployments_by_project_and_status').on(table.project, table.status, table.id),
    index('deployments_by_project_and_end').on(table.project, table.finishedAt),
    index('deployments_by_time').on(table.createdAt),
    index('deployments_by_end').on(table.finishedAt),
  ],
);

/** The version keys, where PostgreSQL holds them (etcd can instead). */
export const versionKeys = pgTable(
  'version_keys',
  {
    project: text().notNull(),
    region: text().notNull(),
    sequence: integer().notNull(),
    document: jsonb().$type<VersionKey>().notNull(),
    writtenAt: moment('written_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.project, table.region] }), index('version_keys_by_region').on(table.region)],
);
