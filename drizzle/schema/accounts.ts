import { bigint, index, integer, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core';
import type { IdentityKind } from '../../packages/shared/src/permissions.ts';
import type { Role } from '../../packages/shared/src/words.ts';
import { moment } from './columns.ts';

/** A person who signs in, by password or through the company's OpenID Connect provider. */
export const accounts = pgTable(
  'accounts',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** What is typed to sign in and shown in history; lower case, never given to a second person. */
    name: text().notNull().unique(),
    displayName: text('display_name').notNull(),
    /** Compared with a commit's author, who does not approve their own change. */
    email: text(),
    /** argon2id in PHC form; null when the person signs in elsewhere. */
    passwordHash: text('password_hash'),
    oidcIssuer: text('oidc_issuer'),
    oidcSubject: text('oidc_subject'),
    /** Wrong passwords since the last right one. */
    failedSignIns: integer('failed_sign_ins').notNull().default(0),
    lockedUntil: moment('locked_until'),
    disabledAt: moment('disabled_at'),
    lastSignInAt: moment('last_sign_in_at'),
    createdBy: text('created_by').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [uniqueIndex('accounts_by_subject').on(table.oidcIssuer, table.oidcSubject)],
);

/** Which role an account has where. */
export const roleGrants = pgTable(
  'role_grants',
  {
    account: bigint({ mode: 'number' })
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    /** A project's name, or `*` for all of them. */
    project: text().notNull(),
    role: text().$type<Role>().notNull(),
    grantedBy: text('granted_by').notNull(),
    grantedAt: moment('granted_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.account, table.project, table.role] })],
);

/** A browser that is signed in. Only the SHA-256 of its cookie is kept. */
export const sessions = pgTable(
  'sessions',
  {
    tokenHash: text('token_hash').primaryKey(),
    account: bigint({ mode: 'number' })
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    createdAt: moment('created_at').notNull().defaultNow(),
    lastUsedAt: moment('last_used_at').notNull().defaultNow(),
    expiresAt: moment('expires_at').notNull(),
  },
  (table) => [index('sessions_by_account').on(table.account), index('sessions_by_expiry').on(table.expiresAt)],
);

/** A token of an account for scripts and the CLI. Only its SHA-256 is kept: it has 256 random bits itself. */
export const apiTokens = pgTable(
  'api_tokens',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    account: bigint({ mode: 'number' })
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    /** What it is for, in its owner's words; unique among the account's tokens that are not revoked. */
    name: text().notNull(),
    /** The most it may do, whatever its owner may; null means all that its owner may. */
    role: text().$type<Role>(),
    tokenHash: text('token_hash').notNull().unique(),
    createdAt: moment('created_at').notNull().defaultNow(),
    expiresAt: moment('expires_at'),
    lastUsedAt: moment('last_used_at'),
    revokedAt: moment('revoked_at'),
  },
  (table) => [index('api_tokens_by_account').on(table.account)],
);

/** A hub, worker or agent that has enrolled. Revoking the row shuts it out. */
export const identities = pgTable(
  'identities',
  {
    kind: text().$type<IdentityKind>().notNull(),
    name: text().notNull(),
    /** Where a hub or an agent is; null for a worker. */
    region: text(),
    /** SHA-256 of a hub's or a worker's secret, or of an agent's public key: what it showed when it enrolled. */
    tokenHash: text('token_hash').unique(),
    enrolledWith: bigint('enrolled_with', { mode: 'number' }),
    enrolledAt: moment('enrolled_at').notNull().defaultNow(),
    revokedAt: moment('revoked_at'),
    revokedBy: text('revoked_by'),
  },
  (table) => [
    primaryKey({ columns: [table.kind, table.name] }),
    index('identities_by_region').on(table.region, table.kind, table.name),
  ],
);

/**
 * The keys of agents that were revoked, for ever: hubs check credentials without control, and learn of these by number,
 * which is why numbers are committed in their order.
 */
export const revokedAgents = pgTable(
  'revoked_agents',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    machine: text().notNull(),
    region: text().notNull(),
    /** SHA-256 of the public key. */
    keyHash: text('key_hash').notNull().unique(),
    revokedAt: moment('revoked_at').notNull().defaultNow(),
  },
  (table) => [index('revoked_agents_by_region').on(table.region, table.id)],
);

/** Lets a new hub, worker or agent in: for one use unless more were asked for. */
export const enrolmentTokens = pgTable('enrolment_tokens', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  kind: text().$type<IdentityKind>().notNull(),
  /** The only region it enrols into; null for workers. */
  region: text(),
  tokenHash: text('token_hash').notNull().unique(),
  usesLeft: integer('uses_left').notNull().default(1),
  createdBy: text('created_by').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
  expiresAt: moment('expires_at').notNull(),
});
