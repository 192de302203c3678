import { allProjects, type Grant } from '@starling/shared/permissions.ts';
import type { Role } from '@starling/shared/words.ts';
import { and, eq, gt, isNull, or, sql } from 'drizzle-orm';
import { accounts, apiTokens, roleGrants } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import { hashOfToken } from '../lib/random-token.ts';

/** A person who calls, by token or session, with what they may do where. */
export interface PersonCaller {
  kind: 'person';
  name: string;
  account: number;
  grants: Grant[];
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
    .select({ account: accounts.id, name: accounts.name, most: apiTokens.role, grant: roleGrants })
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
  const grants = rows.flatMap(({ grant }) => (grant ? [{ project: grant.project, role: grant.role }] : []));
  return { kind: 'person', name: first.name, account: first.account, grants };
}
