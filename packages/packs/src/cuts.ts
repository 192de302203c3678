// Where a stream is cut, by its content. FastCDC with normalised chunking: W. Xia and others, "FastCDC: a Fast and
// Efficient Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016, and "The Design of Fast
// Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 31(9), 2020: a gear hash, a strict
// condition before the wanted length and a loose one after it.
//
// Two things differ. The hash rolls over all bytes, also those below the shortest length, and is never started anew;
// so whether a position is a candidate depends on the 32 bytes before it alone, and a stream can be scanned in
// segments by several threads. And every position that meets a still looser condition is kept, one in 4 KiB: these are
// the landmarks by which two builds are laid side by side (landmarks.ts).

export const minChunkBytes = 32 * 1024;
export const wantedChunkBytes = 128 * 1024;
export const maxChunkBytes = 512 * 1024;

/** Leading zero bits of the hash: of a landmark, of a cut beyond the wanted length, of a cut before it. */
const landmarkBits = 12;
const landmarkMask = -(2 ** (32 - landmarkBits));
const looseBits = 15;
const strictBits = 19;

/** The hash at a position is of the bytes before it, this many. */
export const hashedBytes = 32;

/** One number a byte value, evenly spread: the finaliser of SplitMix32 over a counter. Changing it changes every cut. */
const gear = Int32Array.from({ length: 256 }, (_, value) => {
  let mixed = Math.imul(value + 1, 0x9e3779b9);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
});

/** Positions of a stream that may be cuts or are landmarks, ascending. */
export interface Candidates {
  /** Relative to `start`, each behind the byte that made it one. */
  positions: Uint32Array<ArrayBuffer>;
  /** Leading zero bits of the hash there. */
  bits: Uint8Array<ArrayBuffer>;
  /** A second hash of the same bytes, by which landmarks are known again. */
  prints: Int32Array<ArrayBuffer>;
}

/**
 * Scans `bytes`, of which the first `before` (at most 32) only warm the hash up. Positions count from the byte after
 * those. About one byte a nanosecond.
 */
export function findCandidates(bytes: Uint8Array, before: number): Candidates {
  let capacity = Math.max(64, bytes.length >>> 11);
  let found = 0;
  let positions = new Uint32Array(capacity);
  let bits = new Uint8Array(capacity);
  let prints = new Int32Array(capacity);
  for (let end = landmarkAfter(bytes, before); end <= bytes.length; end = landmarkAfter(bytes, end)) {
    if (found === capacity) {
      capacity *= 2;
      positions = grown(positions, new Uint32Array(capacity));
      bits = grown(bits, new Uint8Array(capacity));
      prints = grown(prints, new Int32Array(capacity));
    }
    positions[found] = end - before;
    bits[found] = Math.clz32(hashOf(bytes, end));
    prints[found] = printOf(bytes, end);
    found += 1;
  }
  return { positions: positions.slice(0, found), bits: bits.slice(0, found), prints: prints.slice(0, found) };
}

/** The first end of a landmark behind `from`; beyond the bytes when there is none. Small, so that it compiles well. */
function landmarkAfter(bytes: Uint8Array, from: number): number {
  let hash = hashOf(bytes, from);
  for (let index = from; index < bytes.length; index += 1) {
    hash = ((hash << 1) + gear[bytes[index]!]!) | 0;
    if ((hash & landmarkMask) === 0) return index + 1;
  }
  return bytes.length + 1;
}

/** Older bytes have left the hash: each step shifts them by a bit. */
function hashOf(bytes: Uint8Array, end: number): number {
  let hash = 0;
  for (let index = Math.max(0, end - hashedBytes); index < end; index += 1)
    hash = ((hash << 1) + gear[bytes[index]!]!) | 0;
  return hash;
}

function grown<Numbers extends Uint8Array | Uint32Array | Int32Array>(from: Numbers, to: Numbers): Numbers {
  to.set(from);
  return to;
}

function printOf(bytes: Uint8Array, end: number): number {
  let print = 0;
  for (let index = Math.max(0, end - hashedBytes); index < end; index += 1)
    print = Math.imul(print ^ bytes[index]!, 0x01000193) ^ (print >>> 15);
  return print;
}

/** Goes from cut to cut over candidates that come segment by segment. */
export class CutChooser {
  #candidate = 0;
  readonly #positions: ArrayLike<number>;
  readonly #bits: ArrayLike<number>;

  /** Positions ascend. */
  constructor(positions: ArrayLike<number>, bits: ArrayLike<number>) {
    this.#positions = positions;
    this.#bits = bits;
  }

  /** Where the chunk that begins at `start` ends; `end` is that of the stream. Calls come with ascending starts. */
  next(start: number, end: number): number {
    if (end - start <= minChunkBytes) return end;
    const latest = Math.min(end, start + maxChunkBytes);
    while (this.#candidate < this.#positions.length && this.#positions[this.#candidate]! < start + minChunkBytes)
      this.#candidate += 1;
    for (let index = this.#candidate; index < this.#positions.length; index += 1) {
      const position = this.#positions[index]!;
      if (position >= latest) break;
      if (this.#bits[index]! >= (position - start < wantedChunkBytes ? strictBits : looseBits)) return position;
    }
    return latest;
  }
}
