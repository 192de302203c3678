import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

// Each row of the audit log holds the hash of the one before, as git's commits do: none can be changed, removed or put in
// between without every later one giving it away. Here, so that an exported log can be checked where no server is.

/** A row of the audit log, as a line of the export spells it. */
export interface AuditLink {
  /** 1, 2, 3 … without a gap. */
  id: number;
  /** ISO 8601 in UTC, with milliseconds. */
  at: string;
  actor: string;
  action: string;
  project: string | null;
  target: string;
  details: Record<string, unknown>;
  requestId: string | null;
  /** The hash of row `id - 1`; empty for the first. */
  previousHash: string;
  hash: string;
}

/** Where a chain stands: its last row. */
export type AuditEnd = Pick<AuditLink, 'id' | 'hash'>;
export const emptyChain: AuditEnd = { id: 0, hash: '' };

export interface ChainDefect {
  /** The first row that does not fit, or that is missing. */
  id: number;
  what: string;
}

/** SHA-256, as 64 hexadecimal digits, over the canonical JSON of everything in a row but its own hash. */
export function hashOfLink(link: Omit<AuditLink, 'hash'>): string {
  const { id, at, actor, action, project, target, details, requestId, previousHash } = link;
  const content = { id, at, actor, action, project, target, details, requestId, previousHash };
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
}

/** What is wrong with a row by itself; undefined when it is what was written. */
export function checkAlone(link: AuditLink): ChainDefect | undefined {
  return link.hash === hashOfLink(link) ? undefined : { id: link.id, what: `row ${link.id} was changed` };
}

/** What is wrong with a row that follows `before`; undefined when it fits. */
export function checkLink(before: AuditEnd, link: AuditLink): ChainDefect | undefined {
  if (link.id <= before.id) return { id: link.id, what: `row ${link.id} comes again after row ${before.id}` };
  if (link.id !== before.id + 1) return { id: before.id + 1, what: `row ${before.id + 1} is missing` };
  if (link.previousHash !== before.hash)
    return { id: link.id, what: `row ${link.id} does not follow the one before it` };
  return checkAlone(link);
}
