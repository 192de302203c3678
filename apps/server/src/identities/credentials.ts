import type { IdentityKind } from '@starling/shared/permissions.ts';
import { and, eq, isNull, ne } from 'drizzle-orm';
import { identities } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';
import { hashOfToken } from '../lib/random-token.ts';

/** A process that calls with the secret it enrolled with. */
export interface ProcessCaller {
  kind: IdentityKind;
  name: string;
  region: string | null;
}

/** The process whose secret it is; undefined when it is unknown or revoked. */
export async function processWithCredential(database: Database, secret: string): Promise<ProcessCaller | undefined> {
  const [row] = await database
    .select({ kind: identities.kind, name: identities.name, region: identities.region })
    .from(identities)
    .where(
      and(
        eq(identities.tokenHash, hashOfToken(secret)),
        // Agents have no secret to show: they speak to their hub alone.
        ne(identities.kind, 'agent'),
        isNull(identities.revokedAt),
      ),
    );
  return row;
}
