import { type AuditLink, type ChainDefect, checkLink, emptyChain } from '@starling/shared/audit-chain.ts';
import { and, asc, desc, eq, gt, lt, type SQL } from 'drizzle-orm';
import { auditHead, auditLog } from '../../../../drizzle/schema/index.ts';
import type { Database, Queryable } from '../db/connect.ts';
import { withinPeriod } from '../db/id-range.ts';

export interface AuditFilter {
  project?: string | undefined;
  actor?: string | undefined;
  action?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

async function conditionsOf(where: Queryable, filter: AuditFilter): Promise<SQL[]> {
  const { project, actor, action } = filter;
  const conditions = await withinPeriod(where, auditLog, auditLog, filter);
  if (project) conditions.push(eq(auditLog.project, project));
  if (actor) conditions.push(eq(auditLog.actor, actor));
  if (action) conditions.push(eq(auditLog.action, action));
  return conditions;
}

/** Newest first; `before` is the id of the last one of the page before. */
export async function readAudit(
  where: Queryable,
  filter: AuditFilter,
  page: { before?: number | undefined; limit: number },
) {
  const conditions = await conditionsOf(where, filter);
  if (page.before) conditions.push(lt(auditLog.id, page.before));
  return where
    .select()
    .from(auditLog)
    .where(and(...conditions))
    .orderBy(desc(auditLog.id))
    .limit(page.limit);
}

const pageRows = 1_000;

/** Oldest first, page by page, so that a log of any length is never held as a whole. */
export async function* streamAudit(where: Queryable, filter: AuditFilter): AsyncGenerator<AuditLink> {
  const conditions = await conditionsOf(where, filter);
  for (let after = 0; ; ) {
    const rows = await where
      .select()
      .from(auditLog)
      .where(and(gt(auditLog.id, after), ...conditions))
      .orderBy(asc(auditLog.id))
      .limit(pageRows);
    for (const row of rows) yield { ...row, at: row.at.toISOString() };
    if (rows.length < pageRows) return;
    after = rows.at(-1)!.id;
  }
}

export interface Verification {
  /** How many rows fit. */
  checked: number;
  /** The last row that fits. Kept elsewhere, it shows later whether the log was written anew. */
  end: { id: number; hash: string };
  /** The first row that does not fit; null when all do. */
  defect: ChainDefect | null;
}

/**
 * Recomputes the whole chain. What was changed, removed or put in between shows at the first row that no longer fits;
 * what was cut off or added at the end shows in the head, which knows how long the log is. Whoever can write the tables
 * could also write all of it anew: that shows only against `known`, a row that was noted down elsewhere.
 */
export function verifyAudit(database: Database, known?: { id: number; hash: string }): Promise<Verification> {
  // One moment of the log: head and rows belong together however much is added meanwhile.
  return database.transaction(
    async (tx) => {
      const [head = { lastId: 0, lastHash: '' }] = await tx.select().from(auditHead).where(eq(auditHead.id, 1));
      let end = emptyChain;
      const broken = (defect: ChainDefect): Verification => ({ checked: end.id, end, defect });
      for await (const link of streamAudit(tx, {})) {
        const defect = checkLink(end, link);
        if (defect) return broken(defect);
        if (known?.id === link.id && known.hash !== link.hash) {
          return broken({ id: link.id, what: `row ${link.id} is not the one that was noted down` });
        }
        end = { id: link.id, hash: link.hash };
      }
      const until = Math.max(head.lastId, known?.id ?? 0);
      if (end.id !== until || end.hash !== head.lastHash) {
        const what = `the log ends with row ${end.id}, and should end with row ${until}`;
        return broken({ id: Math.min(end.id, until) + 1, what });
      }
      return { checked: end.id, end, defect: null };
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  );
}
