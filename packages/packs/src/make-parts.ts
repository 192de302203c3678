import { createHash } from 'node:crypto';
import type { Batch, Part } from './batches.ts';
import { applyDelta } from './delta-format.ts';
import { borrow, giveBack } from './scratch.ts';
import { Malformed } from './varint.ts';
import { decompress } from './zstd.ts';

/** What could not be made, and because of what: the plan has to be made anew without it. */
export interface Failure {
  /** `<base>:<start>` of a chunk that a base no longer has, or the pack whose bytes are not what the manifest says. */
  base?: string;
  pack?: string;
  reason: string;
}

export interface Sources {
  /** Fills `into` with a base's bytes from `start` on; how many there were. */
  base(name: string, start: number, into: Uint8Array): number;
  pack(digest: string, offset: number, into: Uint8Array): number;
}

class Unmakable extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.reason);
    this.failure = failure;
  }
}

/**
 * Makes the chunks of a batch, each checked by its digest before it is given to `write`. A chunk that cannot be made is
 * left out and said why; the others are made all the same. Holds what later parts still need, and not longer.
 */
export function makeParts(
  { parts, outputs }: Batch,
  sources: Sources,
  write: (start: number, bytes: Uint8Array) => void,
): Failure[] {
  const failures = new Map<string, Failure>();
  const maker = new PartMaker(parts, outputs, sources);
  for (const { part, start } of outputs) {
    try {
      write(start, maker.take(part));
      maker.giveBack();
    } catch (thrown) {
      if (!(thrown instanceof Unmakable)) throw thrown;
      failures.set(JSON.stringify(thrown.failure), thrown.failure);
    }
  }
  return [...failures.values()];
}

type Patch = Extract<Part, { kind: 'patch' }>;
type FromBase = Extract<Part, { kind: 'base' }>;

class PartMaker {
  readonly #parts: readonly Part[];
  readonly #sources: Sources;
  readonly #made = new Map<number, Uint8Array | Unmakable>();
  /** How often each part is still asked for. */
  readonly #uses: Uint32Array;
  /** Buffers of which nothing is needed any more once the last chunk has been written. */
  #finished: Buffer<ArrayBuffer>[] = [];

  constructor(parts: readonly Part[], outputs: Batch['outputs'], sources: Sources) {
    this.#parts = parts;
    this.#sources = sources;
    this.#uses = new Uint32Array(parts.length);
    for (const { part } of outputs) this.#uses[part]! += 1;
    for (const part of parts) {
      if (part.kind === 'slice') this.#uses[part.of]! += 1;
      if (part.kind === 'patch') for (const one of part.reference) this.#uses[one]! += 1;
    }
  }

  /** Buffers may be used again: what was taken before is not looked at any more. */
  giveBack(): void {
    for (const buffer of this.#finished) giveBack(buffer);
    this.#finished = [];
  }

  /** The bytes of a part, good until `giveBack`. */
  take(index: number): Uint8Array {
    const known = this.#made.get(index);
    let made = known;
    if (!made) {
      try {
        made = this.#make(this.#parts[index]!);
      } catch (thrown) {
        if (!(thrown instanceof Unmakable)) throw thrown;
        made = thrown;
      }
    }
    this.#uses[index]! -= 1;
    if (this.#uses[index]! > 0) {
      if (!known) this.#made.set(index, made);
    } else {
      this.#made.delete(index);
      // A slice is a part of another buffer, which may be needed still.
      if (this.#parts[index]!.kind !== 'slice' && !(made instanceof Unmakable))
        this.#finished.push(made as Buffer<ArrayBuffer>);
    }
    if (made instanceof Unmakable) throw made;
    return made;
  }

  #make(part: Part): Uint8Array {
    switch (part.kind) {
      case 'base':
        return this.#fromBase(part, borrow(part.length));
      case 'full': {
        const stored = this.#fromPack(part.pack, part.offset, part.encodedLength);
        if (part.encodedLength === part.length) return checked(stored, part.digest, { pack: part.pack });
        const plain = orMalformed(part.pack, () => decompress(stored, part.length));
        giveBack(stored);
        return checked(plain, part.digest, { pack: part.pack });
      }
      case 'slice':
        return checked(this.#slice(part.of, part.from, part.length), part.digest, { pack: this.#packOf(part.of) });
      case 'patch': {
        const reference = borrow(part.referenceLength);
        try {
          this.#fillReference(part, reference);
          const patch = this.#fromPack(part.pack, part.offset, part.patchLength);
          const made = orMalformed(part.pack, () => applyDelta(patch, reference, borrow(part.length)));
          giveBack(patch);
          return made;
        } finally {
          giveBack(reference);
        }
      }
    }
  }

  #fillReference({ reference, referenceSkip, referenceLength }: Patch, into: Buffer): void {
    let at = -referenceSkip;
    for (const one of reference) {
      const part = this.#parts[one]!;
      const isRead = part.kind === 'base' && this.#uses[one] === 1 && !this.#made.has(one);
      const scratch = isRead ? borrow(part.length) : undefined;
      const bytes = scratch && isRead ? this.#fromBase(part, scratch) : this.take(one);
      const from = Math.max(0, -at);
      into.set(bytes.subarray(from, Math.max(from, Math.min(bytes.length, referenceLength - at))), at + from);
      at += bytes.length;
      if (scratch) giveBack(scratch);
    }
    if (at < referenceLength) throw new Malformed('a patch refers beyond the end of its build');
  }

  #fromBase({ base, start, length, digest }: FromBase, into: Buffer): Buffer {
    const at = `${base}:${start}`;
    const count = orUnmakable({ base: at }, () => this.#sources.base(base, start, into));
    if (count < length) throw new Unmakable({ base: at, reason: 'the base has become shorter' });
    return checked(into, digest, { base: at });
  }

  #slice(of: number, from: number, length: number): Uint8Array {
    return this.take(of).subarray(from, from + length);
  }

  #packOf(index: number): string {
    const part = this.#parts[index]!;
    return part.kind === 'patch' ? part.pack : '';
  }

  #fromPack(pack: string, offset: number, length: number): Buffer<ArrayBuffer> {
    const bytes = borrow(length);
    const count = orUnmakable({ pack }, () => this.#sources.pack(pack, offset, bytes));
    if (count < length) throw new Unmakable({ pack, reason: 'the pack lacks a range that was to be fetched' });
    return bytes;
  }
}

function checked<Bytes extends Uint8Array>(bytes: Bytes, digest: string, where: Omit<Failure, 'reason'>): Bytes {
  if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes;
  throw new Unmakable({ ...where, reason: 'its bytes are not those that were expected' });
}

function orMalformed<Result>(pack: string, act: () => Result): Result {
  try {
    return act();
  } catch (thrown) {
    if (thrown instanceof Malformed) throw new Unmakable({ pack, reason: thrown.message });
    throw thrown;
  }
}

function orUnmakable<Result>(where: Omit<Failure, 'reason'>, act: () => Result): Result {
  try {
    return act();
  } catch (thrown) {
    throw new Unmakable({ ...where, reason: (thrown as Error).message });
  }
}
