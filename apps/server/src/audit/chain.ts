import { createHash } from 'node:crypto';
import { canonicalJson } from '@starling/shared/canonical-json.ts';
import type { auditLog } from '../../../../drizzle/schema/index.ts';

// Each row of the audit log holds the hash of the one before, as git's commits do: none can be changed, removed or put in
// between without every later one giving it away.

export type Link = typeof auditLog.$inferSelect;
export type LinkBefore = Pick<Link, 'id' | 'hash'>;

export interface ChainDefect {
  /** The first row that does not fit, or that is missing. */
  id: number;
  what: string;
}

/** SHA-256 over the canonical JSON of everything in a row but its own hash. */
export function hashOfLink(link: Omit<Link, 'hash'>): string {
  const { id, at, actor, action, project, target, details, requestId, previousHash } = link;
  const content = { id, at: at.toISOString(), actor, action, project, target, details, requestId, previousHash };
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
}

/** What is wrong with a row that follows `before`; undefined when it fits. */
export function checkLink(before: LinkBefore, link: Link): ChainDefect | undefined {
  if (link.id !== before.id + 1) return { id: before.id + 1, what: `row ${before.id + 1} is missing` };
  if (link.previousHash !== before.hash)
    return { id: link.id, what: `row ${link.id} does not follow the one before it` };
  if (link.hash !== hashOfLink(link)) return { id: link.id, what: `row ${link.id} was changed` };
  return undefined;
}
