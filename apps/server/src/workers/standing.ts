import { StarlingError } from '@starling/shared/errors.ts';
import { and, eq, isNull, sql } from 'drizzle-orm';
import { identities } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';

/** A condition: the worker is enrolled with this credential, and was not revoked. */
export const isEnrolled = (name: string, credentialHash: string) =>
  sql`exists (select from ${identities} where ${and(
    eq(identities.kind, 'worker'),
    eq(identities.name, name),
    eq(identities.tokenHash, credentialHash),
    isNull(identities.revokedAt),
  )})`;

/** Why the worker may not work under its name; undefined when it may. */
export async function whyShutOut(
  database: Queryable,
  name: string,
  credentialHash: string,
): Promise<StarlingError | undefined> {
  const [row] = await database
    .select({ tokenHash: identities.tokenHash, revokedAt: identities.revokedAt, revokedBy: identities.revokedBy })
    .from(identities)
    .where(and(eq(identities.kind, 'worker'), eq(identities.name, name)));
  const refusal = (message: string) =>
    new StarlingError('FORBIDDEN', message, {
      field: 'STARLING_WORKER',
      fix: 'To let it in, remove the folder "identity" of its data folder and give it a token: starling enrol worker',
    });
  if (!row) return refusal(`no worker is enrolled as ${name} in this database`);
  if (row.tokenHash !== credentialHash) return refusal(`another worker is enrolled as ${name}`);
  if (row.revokedAt) return refusal(`the identity of worker ${name} was revoked by ${row.revokedBy ?? 'somebody'}`);
  return undefined;
}
