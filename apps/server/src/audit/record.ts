import { hashOfLink } from '@starling/shared/audit-chain.ts';
import { eq } from 'drizzle-orm';
import { auditHead, auditLog } from '../../../../drizzle/schema/index.ts';
import type { Transaction } from '../db/connect.ts';

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
    // Only now that the row before is there: so times do not go back, but for servers whose clocks differ.
    at: new Date().toISOString(),
    actor: storable(entry.actor),
    action: entry.action,
    project: entry.project,
    target: storable(entry.target),
    // As it will be read again: what JSON and PostgreSQL cannot hold is settled before it is hashed.
    details: JSON.parse(JSON.stringify(entry.details ?? {}), (_, value: unknown) =>
      typeof value === 'string' ? storable(value) : value,
    ) as Record<string, unknown>,
    requestId: entry.requestId ?? null,
    previousHash: head!.lastHash,
  };
  const hash = hashOfLink(link);
  await tx.insert(auditLog).values({ ...link, at: new Date(link.at), hash });
  await tx.update(auditHead).set({ lastId: link.id, lastHash: hash }).where(eq(auditHead.id, 1));
}

/** PostgreSQL keeps neither the character NUL nor halves of surrogate pairs. */
const storable = (text: string) => text.toWellFormed().replaceAll('\0', '\ufffd');
