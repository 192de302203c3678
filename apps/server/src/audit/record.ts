import { eq } from 'drizzle-orm';
import { auditHead, auditLog } from '../../../../drizzle/schema/index.ts';
import type { Transaction } from '../db/connect.ts';
import { hashOfLink } from './chain.ts';

export interface AuditEntry {
  /** An account's name, `hub:<name>`, `worker:<name>`, `webhook:<source>`, or `starling` for what a loop decides. */
  actor: string;
  /** `<noun>.<verb>`, for example `deployment.start`. */
  action: string;
  /** Null for what concerns all of Starling. */
  project: string | null;
  target: string;
  /** Never a secret. */
  details?: Record<string, unknown>;
  requestId?: string | null;
}

/**
 * Adds to the audit log, within the transaction that makes the change: either both are there or neither. Links the row to
 * the one before by its hash. Call it last in the transaction: whoever comes next waits for the commit from here on.
 */
export async function recordAudit(tx: Transaction, entry: AuditEntry): Promise<void> {
  const [head] = await tx.select().from(auditHead).where(eq(auditHead.id, 1)).for('update');
  const link = {
    id: head!.lastId + 1,
    at: new Date(),
    actor: entry.actor,
    action: entry.action,
    project: entry.project,
    target: entry.target,
    // As it will be read again: what JSON cannot hold is settled before it is hashed.
    details: JSON.parse(JSON.stringify(entry.details ?? {})) as Record<string, unknown>,
    requestId: entry.requestId ?? null,
    previousHash: head!.lastHash,
  };
  const hash = hashOfLink(link);
  await tx.insert(auditLog).values({ ...link, hash });
  await tx.update(auditHead).set({ lastId: link.id, lastHash: hash }).where(eq(auditHead.id, 1));
}
