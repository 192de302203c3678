import type { IdentityKind } from '@starling/shared/permissions.ts';
import { and, eq, isNull } from 'drizzle-orm';
import { identities } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import { hashOfToken } from '../lib/random-token.ts';

/** A process that calls with the credential it got when it enrolled. */
export interface ProcessCaller {
  kind: IdentityKind;
  name: string;
  region: string | null;
}

/** Makes `token` the credential of a process, in place of an earlier one. */
export async function grantCredential(database: Database, identity: ProcessCaller, token: string): Promise<void> {
  const row = { ...identity, tokenHash: hashOfToken(token), revokedAt: null };
  await database
    .insert(identities)
    .values(row)
    .onConflictDoUpdate({ target: [identities.kind, identities.name], set: row });
}

/** The process whose credential it is; undefined when it is unknown or revoked. */
export async function processWithCredential(database: Database, token: string): Promise<ProcessCaller | undefined> {
  const [row] = await database
    .select({ kind: identities.kind, name: identities.name, region: identities.region })
    .from(identities)
    .where(and(eq(identities.tokenHash, hashOfToken(token)), isNull(identities.revokedAt)));
  return row;
}
