import type { IdentityKind } from '@starling/shared/permissions.ts';
import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import { identities, revokedAgents } from '../../../../drizzle/schema/index.ts';
import type { Queryable, Transaction } from '../db/connect.ts';
import { lockIdentity } from './lock-identity.ts';

export interface Revocation {
  /** False when it was revoked already. */
  revoked: boolean;
  /** The number of the invitation it came with. */
  invitation: number | null;
}

/** Shuts a process out for ever: its name may come back with a new identity only. Undefined when nobody has the name. */
export async function revokeIdentity(
  tx: Transaction,
  kind: IdentityKind,
  name: string,
  by: string,
): Promise<Revocation | undefined> {
  await lockIdentity(tx, kind, name);
  const itsName = and(eq(identities.kind, kind), eq(identities.name, name));
  const [known] = await tx.select().from(identities).where(itsName);
  if (!known) return undefined;
  const { enrolledWith: invitation, tokenHash, region } = known;
  const changed = await tx
    .update(identities)
    .set({ revokedAt: sql`clock_timestamp()` as never, revokedBy: by })
    .where(and(itsName, isNull(identities.revokedAt)))
    .returning({ name: identities.name });
  if (changed.length === 0) return { revoked: false, invitation };
  if (kind === 'agent' && tokenHash !== null && region !== null) {
    // One at a time, so that a hub that has seen a number has seen every lower one.
    await tx.execute(sql`lock table ${revokedAgents} in share row exclusive mode`);
    await tx.insert(revokedAgents).values({ machine: name, region, keyHash: tokenHash }).onConflictDoNothing();
  }
  return { revoked: true, invitation };
}

export interface RevokedAgent {
  /** Grows with every revocation. */
  id: number;
  machine: string;
  keyHash: string;
}

/** The revoked agents of a region whose number is above `after`, the lowest first, `limit` at most. */
export async function revokedAfter(
  database: Queryable,
  region: string,
  after: number,
  limit: number,
): Promise<RevokedAgent[]> {
  return database
    .select({ id: revokedAgents.id, machine: revokedAgents.machine, keyHash: revokedAgents.keyHash })
    .from(revokedAgents)
    .where(and(eq(revokedAgents.region, region), gt(revokedAgents.id, after)))
    .orderBy(asc(revokedAgents.id))
    .limit(limit);
}
