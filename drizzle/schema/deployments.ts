import { sql } from 'drizzle-orm';
import { bigint, boolean, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core';
import type { Forecast, Measured } from '../../packages/shared/src/forecast.ts';
import type { Reach, RolloutPlan } from '../../packages/shared/src/rollout-plan.ts';
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
    /** In which waves it goes, and what halts it; null for what goes to everyone at once. */
    plan: jsonb().$type<RolloutPlan>(),
    /** The wave that has begun, from 1; 0 before the first. Written by the rollout controller, as is what follows. */
    wave: integer().notNull().default(1),
    /** Whom the waves so far reach, region by region; null for everyone. */
    reach: jsonb().$type<Reach>(),
    waveBeganAt: moment('wave_began_at'),
    /** When the machines of the wave had confirmed it. */
    bakeBeganAt: moment('bake_began_at'),
    /** When the checks before the next wave began. */
    checksBeganAt: moment('checks_began_at'),
    /** Since when it stands still: because of a person, or of the controller (`starling`), which halted it. */
    pausedAt: moment('paused_at'),
    pausedBy: text('paused_by'),
    pauseReason: text('pause_reason'),
    /** When it last went on after a pause. */
    resumedAt: moment('resumed_at'),
    /** Failed machines that whoever resumed it knew of: they halt it no more. */
    toleratedFailures: integer('tolerated_failures').notNull().default(0),
    /** The wave that a person wants to begin without waiting for the one before it. */
    promotedTo: integer('promoted_to').notNull().default(0),
    createdAt: moment('created_at').notNull().defaultNow(),
    /** When its gates were passed and it began. */
    startedAt: moment('started_at'),
    finishedAt: moment('finished_at'),
    /** How long it was expected to take when it began; written once, by the loop of forecasts, as is what follows. */
    forecast: jsonb().$type<Forecast>(),
    /** What it took, written when it has ended. */
    measured: jsonb().$type<Measured>(),
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

/** Stopped lines: while one is, no deployment of the project (or of any) begins or goes on, but hotfixes and rollbacks. */
export const lineStops = pgTable(
  'line_stops',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** Null stops every project. */
    project: text(),
    reason: text().notNull(),
    stoppedBy: text('stopped_by').notNull(),
    stoppedAt: moment('stopped_at').notNull().defaultNow(),
    startedBy: text('started_by'),
    startedAt: moment('started_at'),
  },
  (table) => [
    uniqueIndex('line_stops_holding').on(sql`coalesce(${table.project}, '*')`).where(sql`${table.startedAt} is null`),
    index('line_stops_by_start').on(table.project, table.startedAt),
  ],
);

/** Builds that a rollback went away from: they are not deployed again until somebody says why they may. */
export const quarantines = pgTable(
  'quarantines',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    project: text().notNull(),
    buildId: text('build_id')
      .notNull()
      .references(() => builds.id),
    /** The rollback that went away from it; null when a person named it. */
    deployment: bigint({ mode: 'number' }),
    reason: text().notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    liftedBy: text('lifted_by'),
    liftedAt: moment('lifted_at'),
    liftReason: text('lift_reason'),
  },
  (table) => [
    uniqueIndex('quarantines_holding').on(table.buildId).where(sql`${table.liftedAt} is null`),
    index('quarantines_by_project').on(table.project, table.id),
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
