import { personWithToken } from '../accounts/tokens.ts';
import type { Database } from '../db/connect.ts';
import { processWithCredential } from '../identities/credentials.ts';
import type { Caller } from './context.ts';

/** Whose token it is: a person's or a process's; undefined for an unknown one. */
export async function callerOf(database: Database, token: string | undefined): Promise<Caller | undefined> {
  if (!token) return undefined;
  return (await personWithToken(database, token)) ?? (await processWithCredential(database, token));
}
