import { and, eq, gt, isNull, lt, sql } from 'drizzle-orm';
import { accounts, roleGrants, sessions } from '../../../../drizzle/schema/index.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { hashOfToken, newToken } from '../lib/random-token.ts';
import type { PersonCaller } from './tokens.ts';

export interface SessionLimits {
  /** A session that is not used for so long ends. Milliseconds. */
  idleMs: number;
  /** However much it is used, it ends after so long. Milliseconds. */
  longestMs: number;
}

/** How exactly it is known when a session was used last: one write a minute is enough. */
const usedGranularity = sql`interval '1 minute'`;

/** Opens a session; what it returns goes into the browser's cookie and is kept nowhere else. */
export async function openSession(tx: Transaction | Database, account: number, limits: SessionLimits): Promise<string> {
  const token = newToken();
  await tx.insert(sessions).values({
    tokenHash: hashOfToken(token),
    account,
    expiresAt: sql`now() + ${limits.longestMs} * interval '1 millisecond'` as never,
  });
  return token;
}

/** The person whose session it is; undefined when it has ended or its account is disabled. */
export async function personWithSession(
  database: Database,
  token: string,
  { idleMs }: SessionLimits,
): Promise<PersonCaller | undefined> {
  const tokenHash = hashOfToken(token);
  const rows = await database
    .select({
      account: accounts.id,
      name: accounts.name,
      grant: roleGrants,
      wasLongAgo: sql<boolean>`${sessions.lastUsedAt} < now() - ${usedGranularity}`,
    })
    .from(sessions)
    .innerJoin(accounts, eq(accounts.id, sessions.account))
    .leftJoin(roleGrants, eq(roleGrants.account, accounts.id))
    .where(
      and(
        eq(sessions.tokenHash, tokenHash),
        isNull(accounts.disabledAt),
        gt(sessions.expiresAt, sql`now()`),
        gt(sessions.lastUsedAt, sql`now() - ${idleMs} * interval '1 millisecond'`),
      ),
    );
  const first = rows[0];
  if (!first) return undefined;
  if (first.wasLongAgo) {
    await database
      .update(sessions)
      .set({ lastUsedAt: sql`now()` })
      .where(and(eq(sessions.tokenHash, tokenHash), lt(sessions.lastUsedAt, sql`now() - ${usedGranularity}`)));
  }
  const grants = rows.flatMap(({ grant }) => (grant ? [{ project: grant.project, role: grant.role }] : []));
  return { kind: 'person', name: first.name, account: first.account, grants, most: null };
}

/** Ends a session. Doing it twice is harmless. */
export async function closeSession(database: Database, token: string): Promise<void> {
  await database.delete(sessions).where(eq(sessions.tokenHash, hashOfToken(token)));
}
