import { pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { moment } from './columns.ts';
import { projects } from './projects.ts';

/** The commits that builds were made of and those before them, as workers found them: control has no repository. */
export const commits = pgTable(
  'commits',
  {
    project: text()
      .notNull()
      .references(() => projects.name),
    sha: text().notNull(),
    parents: text().array().notNull(),
    author: text().notNull(),
    subject: text().notNull(),
    committedAt: moment('committed_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.project, table.sha] })],
);
