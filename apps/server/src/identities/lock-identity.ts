import type { IdentityKind } from '@starling/shared/permissions.ts';
import { sql } from 'drizzle-orm';
import type { Transaction } from '../db/connect.ts';

/** Until the transaction ends nobody else enrols or revokes this name, whether it has a row yet or not. */
export async function lockIdentity(tx: Transaction, kind: IdentityKind, name: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`identity ${kind}/${name}`}, 0))`);
}
