import { sql } from 'drizzle-orm';
import { index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import type { WrittenProjectSettings } from '../../packages/shared/src/project-settings.ts';
import { moment } from './columns.ts';

export const projects = pgTable(
  'projects',
  {
    name: text().primaryKey(),
    /** Any URL that git fetches from, or an absolute path. */
    repositoryUrl: text('repository_url').notNull(),
    /** The branch that is offered when a build is asked for without a ref. */
    defaultRef: text('default_ref').notNull(),
    /** What the binary is called on the machines; the project's name unless told otherwise. */
    binaryName: text('binary_name').notNull(),
    /** What was set for it; what is left out has its default (`packages/shared/src/project-settings.ts`). */
    settings: jsonb().$type<WrittenProjectSettings>().notNull().default({}),
    /** `builds.maxConcurrent` of the settings, which every claim of a job asks for. */
    maxBuilds: integer('max_builds').generatedAlwaysAs(sql`(settings #>> '{builds,maxConcurrent}')::integer`),
    createdBy: text('created_by').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  // Every claim of a job asks which projects limit their builds.
  (table) => [index('projects_limited').on(table.name).where(sql`${table.maxBuilds} is not null`)],
);

export const regions = pgTable('regions', {
  name: text().primaryKey(),
  /** The order in which regions are shown. */
  position: integer().notNull(),
});
