import { createHash } from 'node:crypto';
import type { Role } from '@starling/shared/words.ts';
import { eq } from 'drizzle-orm';
import { apiTokens } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import type { Caller } from './context.ts';

/** A plain SHA-256 is enough for what is random already; it lets a token be found by its hash. */
const hashOf = (token: string) => createHash('sha256').update(token).digest('hex');

/** Makes `token` the one of `name`, in place of an earlier one. */
export async function grantToken(database: Database, name: string, role: Role, token: string): Promise<void> {
  const row = { name, role, tokenHash: hashOf(token) };
  await database.insert(apiTokens).values(row).onConflictDoUpdate({ target: apiTokens.name, set: row });
}

/** Whose token it is; undefined for an unknown one. */
export async function callerOf(database: Database, token: string | undefined): Promise<Caller | undefined> {
  if (!token) return undefined;
  const [row] = await database
    .select()
    .from(apiTokens)
    .where(eq(apiTokens.tokenHash, hashOf(token)));
  return row && { name: row.name, role: row.role };
}
