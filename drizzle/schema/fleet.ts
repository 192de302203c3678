import { sql } from 'drizzle-orm';
import { bigint, boolean, index, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import type { FetchAccount, SwarmView } from '../../packages/shared/src/swarm-view.ts';
import type { MachineStep } from '../../packages/shared/src/words.ts';
import { bytes, machineName, moment } from './columns.ts';
import { regions } from './projects.ts';

export const machines = pgTable(
  'machines',
  {
    id: machineName().primaryKey(),
    region: text()
      .notNull()
      .references(() => regions.name),
    labels: jsonb().$type<Record<string, string>>().notNull(),
    agentVersion: text('agent_version').notNull(),
    /** Where its swarm port is reached. */
    address: text().notNull(),
    hub: text().notNull(),
    /** Whether its hub had it on a connection when it last said so. */
    connected: boolean().notNull(),
    firstSeenAt: moment('first_seen_at').notNull().defaultNow(),
    lastSeenAt: moment('last_seen_at').notNull().defaultNow(),
  },
  (table) => [
    index('machines_by_region').on(table.region, table.id),
    index('machines_by_label').using('gin', table.labels.op('jsonb_path_ops')),
  ],
);

/** What each machine last said of each project: the observed side of drift. */
export const machineProjects = pgTable(
  'machine_projects',
  {
    machine: machineName()
      .notNull()
      .references(() => machines.id, { onDelete: 'cascade' }),
    project: text().notNull(),
    step: text().$type<MachineStep>().notNull(),
    observedBuild: text('observed_build'),
    desiredBuild: text('desired_build'),
    /** It runs something else than it was told to. A column, so that the planner knows how few these are. */
    isBehind: boolean('is_behind').generatedAlwaysAs(sql`observed_build is distinct from desired_build`),
    deployment: bigint({ mode: 'number' }),
    detail: text().notNull(),
    /** The number of the report this row comes from; a report numbered lower or equal changes nothing. */
    sequence: bigint({ mode: 'number' }).notNull(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.machine, table.project] }),
    index('machine_projects_by_project').on(table.project, table.observedBuild, table.machine),
    // Few rows, but those that a list shows first.
    index('machine_projects_failed').on(table.machine).where(sql`${table.step} = 'FAILED'`),
    index('machine_projects_behind').on(table.machine).where(sql`${table.isBehind}`),
  ],
);

/** How each machine fared in each deployment; kept when the machine has moved on. */
export const deploymentMachines = pgTable(
  'deployment_machines',
  {
    deployment: bigint({ mode: 'number' }).notNull(),
    machine: machineName().notNull(),
    step: text().$type<MachineStep>().notNull(),
    detail: text().notNull(),
    bytesDone: bytes('bytes_done').notNull().default(0),
    bytesTotal: bytes('bytes_total').notNull().default(0),
    bytesPerSecond: bytes('bytes_per_second').notNull().default(0),
    /** What it said last of whom it fetches from; null from agents that do not say. */
    account: jsonb().$type<FetchAccount>(),
    sequence: bigint({ mode: 'number' }).notNull(),
    startedAt: moment('started_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.deployment, table.machine] }),
    index('deployment_machines_by_step').on(table.deployment, table.step, table.machine),
  ],
);

/** What a hub sees of the swarms of a deployment: one row of bounded size, said again as long as something moves. */
export const swarmViews = pgTable(
  'swarm_views',
  {
    hub: text().notNull(),
    deployment: bigint({ mode: 'number' }).notNull(),
    region: text().notNull(),
    view: jsonb().$type<SwarmView>().notNull(),
    saidAt: moment('said_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.hub, table.deployment] }),
    index('swarm_views_by_deployment').on(table.deployment),
  ],
);
