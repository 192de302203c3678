import { and, asc, desc, eq, gt, gte, lt, lte, type SQL } from 'drizzle-orm';
import { auditHead, auditLog } from '../../../../drizzle/schema/index.ts';
import type { Queryable } from '../db/connect.ts';
import { type ChainDefect, checkLink, type Link, type LinkBefore } from './chain.ts';

export interface AuditFilter {
  project?: string | undefined;
  actor?: string | undefined;
  action?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

function conditionsOf({ project, actor, action, from, to }: AuditFilter): SQL[] {
  const conditions: SQL[] = [];
  if (project) conditions.push(eq(auditLog.project, project));
  if (actor) conditions.push(eq(auditLog.actor, actor));
  if (action) conditions.push(eq(auditLog.action, action));
  if (from) conditions.push(gte(auditLog.at, from));
  if (to) conditions.push(lte(auditLog.at, to));
  return conditions;
}

/** Newest first; `before` is the id of the last one of the page before. */
export function readAudit(where: Queryable, filter: AuditFilter, page: { before?: number | undefined; limit: number }) {
  const conditions = conditionsOf(filter);
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
export async function* streamAudit(where: Queryable, filter: AuditFilter): AsyncGenerator<Link> {
  for (let after = 0; ; ) {
    const rows = await where
      .select()
      .from(auditLog)
      .where(and(gt(auditLog.id, after), ...conditionsOf(filter)))
      .orderBy(asc(auditLog.id))
      .limit(pageRows);
    yield* rows;
    if (rows.length < pageRows) return;
    after = rows.at(-1)!.id;
  }
}

export interface Verification {
  checked: number;
  /** The first link that does not fit; null when all do. */
  defect: ChainDefect | null;
}

/**
 * Recomputes the whole chain. What was changed, removed or put in between shows at the first link that no longer fits;
 * what was cut off at the end shows in the head, which knows how long the log is.
 */
export async function verifyAudit(where: Queryable): Promise<Verification> {
  // The head first: what is added meanwhile is beyond what is checked.
  const [head] = await where.select().from(auditHead).where(eq(auditHead.id, 1));
  const until = head?.lastId ?? 0;
  let before: LinkBefore = { id: 0, hash: '' };
  for await (const link of streamAudit(where, {})) {
    if (link.id > until) break;
    const defect = checkLink(before, link);
    if (defect) return { checked: before.id, defect };
    before = link;
  }
  if (before.id !== until || before.hash !== (head?.lastHash ?? '')) {
    const what = `the log ends with ${before.id}, and should end with ${until}`;
    return { checked: before.id, defect: { id: before.id + 1, what } };
  }
  return { checked: before.id, defect: null };
}
