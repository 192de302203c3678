import { StarlingError } from '@starling/shared/errors.ts';
import { allProjects, type Grant } from '@starling/shared/permissions.ts';
import type { Role } from '@starling/shared/words.ts';
import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm';
import { z } from 'zod';
import { accounts, apiTokens, roleGrants, sessions } from '../../../../drizzle/schema/index.ts';
import type { Queryable, Transaction } from '../db/connect.ts';

/** What a person types to sign in. */
export const accountName = z
  .string()
  .trim()
  .toLowerCase()
  .regex(
    /^[a-z][a-z0-9._-]{0,62}$/,
    'an account name is 1 to 63 letters, digits, dots, hyphens and underscores, and begins with a letter',
  );

export type Account = typeof accounts.$inferSelect;

/** The account of this name; NOT_FOUND when there is none. */
export async function findAccount(database: Queryable, name: string): Promise<Account> {
  const [account] = await database.select().from(accounts).where(eq(accounts.name, name));
  if (account) return account;
  throw new StarlingError('NOT_FOUND', `There is no account "${name}".`, {
    field: 'name',
    fix: 'List them with: starling accounts list',
  });
}

export async function grantsOf(database: Queryable, account: number): Promise<Grant[]> {
  return database
    .select({ project: roleGrants.project, role: roleGrants.role })
    .from(roleGrants)
    .where(eq(roleGrants.account, account))
    .orderBy(asc(roleGrants.project), asc(roleGrants.role));
}

/** Every account with its roles, without anything secret. */
export async function listAccounts(database: Queryable) {
  const rows = await database
    .select({
      id: accounts.id,
      name: accounts.name,
      displayName: accounts.displayName,
      email: accounts.email,
      signsInWith: sql<'password' | 'openid' | 'token'>`case when ${accounts.oidcSubject} is not null then 'openid'
        when ${accounts.passwordHash} is not null then 'password' else 'token' end`,
      disabledAt: accounts.disabledAt,
      lockedUntil: accounts.lockedUntil,
      lastSignInAt: accounts.lastSignInAt,
      createdBy: accounts.createdBy,
      createdAt: accounts.createdAt,
    })
    .from(accounts)
    .orderBy(asc(accounts.name));
  const grants = await database.select().from(roleGrants).orderBy(asc(roleGrants.project), asc(roleGrants.role));
  const byAccount = Map.groupBy(grants, ({ account }) => account);
  return rows.map(({ id, ...row }) => ({
    ...row,
    grants: (byAccount.get(id) ?? []).map(({ project, role, grantedBy }) => ({ project, role, grantedBy })),
  }));
}

/** Ends every session of an account, and takes back its tokens too when `tokens`. */
export async function endAccess(tx: Transaction, account: number, { tokens }: { tokens: boolean }): Promise<void> {
  await tx.delete(sessions).where(eq(sessions.account, account));
  if (!tokens) return;
  await tx
    .update(apiTokens)
    .set({ revokedAt: sql`now()` })
    .where(and(eq(apiTokens.account, account), isNull(apiTokens.revokedAt)));
}

/**
 * Refuses to go on when nobody is left who may administer everything. Call it after the change, within its transaction:
 * what two administrators do to each other at the same moment is settled by the lock it takes.
 */
export async function insistAnAdminIsLeft(tx: Transaction): Promise<void> {
  // Every change to who administers waits here for the one before, and then sees what it did.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('starling administrators'))`);
  const [admin] = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .innerJoin(roleGrants, eq(roleGrants.account, accounts.id))
    .where(and(eq(roleGrants.project, allProjects), eq(roleGrants.role, 'admin'), isNull(accounts.disabledAt)))
    .limit(1);
  if (admin) return;
  throw new StarlingError('PRECONDITION_FAILED', 'Nobody would be left who may administer all projects.', {
    fix: 'Make someone else an administrator first: starling accounts grant <name> admin',
  });
}

/**
 * Makes the roles that the company's provider vouches for those of its answer: what it says no more is taken away, what an
 * administrator granted here stays.
 */
export async function replaceProviderGrants(tx: Transaction, account: number, grants: readonly Grant[]): Promise<void> {
  await tx.delete(roleGrants).where(and(eq(roleGrants.account, account), eq(roleGrants.grantedBy, providerGrants)));
  if (grants.length === 0) return;
  await tx
    .insert(roleGrants)
    .values(grants.map(({ project, role }) => ({ account, project, role, grantedBy: providerGrants })))
    .onConflictDoNothing();
}

/** Who granted what came with a sign-in at the provider. */
export const providerGrants = 'openid';

export async function addGrant(tx: Transaction, account: number, grant: Grant, grantedBy: string): Promise<boolean> {
  const rows = await tx
    .insert(roleGrants)
    .values({ account, ...grant, grantedBy })
    .onConflictDoNothing()
    .returning({ role: roleGrants.role });
  return rows.length > 0;
}

export async function removeGrant(tx: Transaction, account: number, project: string, roles: Role[]): Promise<boolean> {
  const rows = await tx
    .delete(roleGrants)
    .where(and(eq(roleGrants.account, account), eq(roleGrants.project, project), inArray(roleGrants.role, roles)))
    .returning({ role: roleGrants.role });
  return rows.length > 0;
}
