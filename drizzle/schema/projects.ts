import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import type { Role } from '../../packages/shared/src/words.ts';
import { moment } from './columns.ts';

export const projects = pgTable('projects', {
  name: text().primaryKey(),
  /** Any URL that git fetches from, or an absolute path. */
  repositoryUrl: text('repository_url').notNull(),
  /** The branch that is offered when a build is asked for without a ref. */
  defaultRef: text('default_ref').notNull(),
  /** What the binary is called on the machines; the project's name unless told otherwise. */
  binaryName: text('binary_name').notNull(),
  createdBy: text('created_by').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
});

export const regions = pgTable('regions', {
  name: text().primaryKey(),
  /** The order in which regions are shown. */
  position: integer().notNull(),
});

/** Who may call the API. Only the SHA-256 of a token is kept: the token itself has 256 random bits. */
export const apiTokens = pgTable('api_tokens', {
  name: text().primaryKey(),
  role: text().$type<Role>().notNull(),
  tokenHash: text('token_hash').notNull().unique(),
  createdAt: moment('created_at').notNull().defaultNow(),
});
