import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { type AuditLink, type ChainDefect, checkAlone, checkLink, emptyChain } from '@starling/shared/audit-chain.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { z } from 'zod';
import { counted } from '../terminal/wording.ts';

const link = z.object({
  id: z.number().int().positive(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  project: z.string().nullable(),
  target: z.string(),
  details: z.record(z.string(), z.unknown()),
  requestId: z.string().nullable(),
  previousHash: z.string(),
  hash: z.string(),
});

export interface Verification {
  /** How many rows fit. */
  checked: number;
  /** The last row that fits. */
  end: { id: number; hash: string };
  defect: ChainDefect | null;
}

/**
 * Checks an exported log without any server; `-` is stdin. A whole one begins with row 1 and has no gap. Of one that was exported with filters
 * (`isPartial`) each row is checked by itself, and against the one before where that is there. INVALID_INPUT when the file cannot be
 * read, or is none.
 */
export async function verifyFile(
  path: string,
  { isPartial, known }: { isPartial: boolean; known: { id: number; hash: string } | undefined },
): Promise<Verification> {
  let end = emptyChain;
  let checked = 0;
  let isKnownFound = known === undefined;
  const broken = (defect: ChainDefect): Verification => ({ checked, end, defect });
  for await (const next of linksOf(path)) {
    const followsGap = isPartial && next.id > end.id + 1;
    const defect = followsGap ? checkAlone(next) : checkLink(end, next);
    if (defect) return broken(defect);
    if (next.id === known?.id) {
      if (next.hash !== known.hash)
        return broken({ id: next.id, what: `row ${next.id} is not the one that was noted down` });
      isKnownFound = true;
    }
    end = { id: next.id, hash: next.hash };
    checked += 1;
  }
  if (!isKnownFound) return broken({ id: known!.id, what: `row ${known!.id} is missing` });
  return { checked, end, defect: null };
}

async function* linksOf(path: string): AsyncGenerator<AuditLink> {
  let number = 0;
  const wrong = (why: string) =>
    new StarlingError('INVALID_INPUT', `${path} is no exported audit log: line ${number} ${why}.`, { field: 'file' });
  try {
    const input = path === '-' ? process.stdin : createReadStream(path);
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1;
      if (line === '') continue;
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        throw wrong('is not JSON');
      }
      const parsed = link.safeParse(value);
      if (!parsed.success) throw wrong(`has no ${parsed.error.issues[0]?.path.join('.') || 'object'} as a row has`);
      yield parsed.data;
    }
  } catch (thrown) {
    if (thrown instanceof StarlingError) throw thrown;
    throw new StarlingError('INVALID_INPUT', `${path} cannot be read: ${messageOf(thrown)}.`, {
      field: 'file',
      cause: thrown,
    });
  }
}

export function describeVerification({ checked, end, defect }: Verification): string {
  if (defect) return `${counted(checked, 'row')} fit, up to row ${end.id}; then ${defect.what}.\n`;
  return `${counted(checked, 'row')} fit${checked > 0 ? `, the last is row ${end.id}` : ''}.\n`;
}
