import { bigint, boolean, index, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import type { MachineStep } from '../../packages/shared/src/words.ts';
import { bytes, moment } from './columns.ts';
import { regions } from './projects.ts';

export const machines = pgTable(
  'machines',
  {
    id: text().primaryKey(),
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
  (table) => [index('machines_by_region').on(table.region, table.id)],
);

/** What each machine last said of each project: the observed side of drift. */
export const machineProjects = pgTable(
  'machine_projects',
  {
    machine: text()
      .notNull()
      .references(() => machines.id, { onDelete: 'cascade' }),
    project: text().notNull(),
    step: text().$type<MachineStep>().notNull(),
    observedBuild: text('observed_build'),
    desiredBuild: text('desired_build'),
    deployment: bigint({ mode: 'number' }),
    detail: text().notNull(),
    /** The number of the report this row comes from; a report numbered lower or equal changes nothing. */
    sequence: bigint({ mode: 'number' }).notNull(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.machine, table.project] }),
    index('machine_projects_by_project').on(table.project, table.observedBuild),
  ],
);

/** How each machine fared in each deployment; kept when the machine has moved on. */
export const deploymentMachines = pgTable(
  'deployment_machines',
  {
    deployment: bigint({ mode: 'number' }).notNull(),
    machine: text().notNull(),
    step: text().$type<MachineStep>().notNull(),
    detail: text().notNull(),
    bytesDone: bytes('bytes_done').notNull().default(0),
    bytesTotal: bytes('bytes_total').notNull().default(0),
    bytesPerSecond: bytes('bytes_per_second').notNull().default(0),
    sequence: bigint({ mode: 'number' }).notNull(),
    startedAt: moment('started_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.deployment, table.machine] }),
    index('deployment_machines_by_step').on(table.deployment, table.step),
  ],
);
