import { createHash } from 'node:crypto';

// Bytes for tests: by chance, but the same each time.

/** Like code: few values that repeat, and numbers among them. */
export function someBytes(length: number, seed: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = (state & 0x300) === 0 ? state : (state & 0x0f) + 0x40;
  }
  return bytes;
}

export interface Change {
  kind: 'insert' | 'delete' | 'overwrite' | 'relink' | 'move';
  /** Where, and how much, as shares of the whole. */
  at: number;
  share: number;
  seed: number;
}

/** What a compiler and a linker do to a program from one version to the next. */
export function changed(bytes: Buffer, { kind, at, share, seed }: Change): Buffer<ArrayBuffer> {
  const start = Math.floor(bytes.length * at);
  const length = Math.min(bytes.length - start, Math.max(1, Math.floor(bytes.length * share)));
  const [before, part, after] = [
    bytes.subarray(0, start),
    bytes.subarray(start, start + length),
    bytes.subarray(start + length),
  ];
  if (kind === 'insert') return Buffer.concat([before, someBytes(length, seed), part, after]);
  if (kind === 'delete') return Buffer.concat([before, after]);
  if (kind === 'overwrite') return Buffer.concat([before, someBytes(length, seed), after]);
  if (kind === 'move') return Buffer.concat([part, before, after]);
  const relinked = Buffer.from(part);
  for (let field = 0; field + 4 <= relinked.length; field += 24 + (seed % 7))
    relinked.writeInt32LE((relinked.readInt32LE(field) + 4_096 + seed) | 0, field);
  return Buffer.concat([before, relinked, after]);
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
