import { StarlingError } from '@starling/shared/errors.ts';
import { allProjects, type Grant, narrowed } from '@starling/shared/permissions.ts';
import type { Role } from '@starling/shared/words.ts';
import { and, desc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm';
import { accounts, apiTokens, roleGrants } from '../../../../drizzle/schema/index.ts';
import type { Database, Queryable, Transaction } from '../db/connect.ts';
import { hashOfToken, newToken } from '../lib/random-token.ts';

/** A person who calls, by token or session, with what they may do where. */
export interface PersonCaller {
  kind: 'person';
  name: string;
  account: number;
  grants: Grant[];
  /** The most that the token they call with may do; null when it may do all that they may. */
  most: Role | null;
}

/**
 * Makes `token` one of the account `name`, which has `role` everywhere; both are made when they are missing. For the
 * token of the configuration, with which a new Starling is set up.
 */
export async function grantToken(database: Database, name: string, role: Role, token: string): Promise<void> {
  await database.transaction(async (tx) => {
    await tx
      .insert(accounts)
      .values({ name, displayName: name, createdBy: 'starling' })
      .onConflictDoNothing({ target: accounts.name });
    const [account] = await tx.select({ id: accounts.id }).from(accounts).where(eq(accounts.name, name));
    const grant = { account: account!.id, project: allProjects, role, grantedBy: 'starling' };
    await tx.insert(roleGrants).values(grant).onConflictDoNothing();
    await tx
      .insert(apiTokens)
      .values({ account: account!.id, name: 'configuration', role: null, tokenHash: hashOfToken(token) })
      .onConflictDoNothing({ target: apiTokens.tokenHash });
  });
}

/** The person whose token it is; undefined when it is unknown, expired or revoked, or its account is disabled. */
export async function personWithToken(database: Database, token: string): Promise<PersonCaller | undefined> {
  const rows = await database
    .select({
      account: accounts.id,
      name: accounts.name,
      token: apiTokens.id,
      most: apiTokens.role,
      grant: roleGrants,
      wasLongAgo: sql<boolean>`coalesce(${apiTokens.lastUsedAt} < now() - interval '1 minute', true)`,
    })
    .from(apiTokens)
    .innerJoin(accounts, eq(accounts.id, apiTokens.account))
    .leftJoin(roleGrants, eq(roleGrants.account, accounts.id))
    .where(
      and(
        eq(apiTokens.tokenHash, hashOfToken(token)),
        isNull(apiTokens.revokedAt),
        isNull(accounts.disabledAt),
        or(isNull(apiTokens.expiresAt), gt(apiTokens.expiresAt, sql`now()`)),
      ),
    );
  const first = rows[0];
  if (!first) return undefined;
  const { most } = first;
  const grants = rows.flatMap(({ grant }) =>
    grant ? [{ project: grant.project, role: most ? narrowed(grant.role, most) : grant.role }] : [],
  );
  if (first.wasLongAgo) {
    await database
      .update(apiTokens)
      .set({ lastUsedAt: sql`now()` })
      .where(
        and(
          eq(apiTokens.id, first.token),
          or(isNull(apiTokens.lastUsedAt), lt(apiTokens.lastUsedAt, sql`now() - interval '1 minute'`)),
        ),
      );
  }
  return { kind: 'person', name: first.name, account: first.account, grants, most };
}

export interface NewToken {
  account: number;
  /** What it is for. */
  name: string;
  role: Role | null;
  lifetimeMs: number;
}

/** Makes a token. Its text is returned here and never again. Throws CONFLICT when the account has one of this name. */
export async function createToken(tx: Transaction, { account, name, role, lifetimeMs }: NewToken) {
  // Two at once for one account take turns, so that a name is not given twice.
  await tx.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, account)).for('update');
  const [same] = await tx
    .select({ id: apiTokens.id })
    .from(apiTokens)
    .where(and(eq(apiTokens.account, account), eq(apiTokens.name, name), isInUse));
  if (same) {
    throw new StarlingError('CONFLICT', `There is a token "${name}" already.`, {
      field: 'name',
      fix: 'Choose another name, or revoke that one.',
    });
  }
  const token = newToken();
  const [row] = await tx
    .insert(apiTokens)
    .values({
      account,
      name,
      role,
      tokenHash: hashOfToken(token),
      expiresAt: sql`now() + ${lifetimeMs} * interval '1 millisecond'` as never,
    })
    .returning({ id: apiTokens.id, expiresAt: apiTokens.expiresAt });
  return { id: row!.id, token, expiresAt: row!.expiresAt! };
}

const isInUse = and(isNull(apiTokens.revokedAt), or(isNull(apiTokens.expiresAt), gt(apiTokens.expiresAt, sql`now()`)));

/** The tokens of an account, or of all, without their text; those that are revoked or expired too. */
export async function listTokens(database: Queryable, account: number | undefined) {
  return database
    .select({
      id: apiTokens.id,
      account: accounts.name,
      name: apiTokens.name,
      role: apiTokens.role,
      createdAt: apiTokens.createdAt,
      expiresAt: apiTokens.expiresAt,
      lastUsedAt: apiTokens.lastUsedAt,
      revokedAt: apiTokens.revokedAt,
    })
    .from(apiTokens)
    .innerJoin(accounts, eq(accounts.id, apiTokens.account))
    .where(account === undefined ? undefined : eq(apiTokens.account, account))
    .orderBy(desc(apiTokens.id))
    .limit(500);
}

export interface TokenOwner {
  id: number;
  name: string;
  account: number;
}

export async function findToken(database: Queryable, id: number): Promise<TokenOwner | undefined> {
  const [row] = await database
    .select({ id: apiTokens.id, name: apiTokens.name, account: apiTokens.account })
    .from(apiTokens)
    .where(eq(apiTokens.id, id));
  return row;
}

/** Takes a token back. False when it was already. */
export async function revokeToken(tx: Transaction, id: number): Promise<boolean> {
  const rows = await tx
    .update(apiTokens)
    .set({ revokedAt: sql`now()` })
    .where(and(eq(apiTokens.id, id), isNull(apiTokens.revokedAt)))
    .returning({ id: apiTokens.id });
  return rows.length > 0;
}
