import {
  type Copy,
  type DeltaStreams,
  fieldAt,
  maxReferenceBytes,
  maxTargetBytes,
  packStreams,
} from './delta-format.ts';
import { type Phases, withTableCopies } from './table-copies.ts';
import { ByteWriter } from './varint.ts';

// Finds the copies with differences that make a patch (see delta-format.ts for what it holds). That two builds of the
// same program are best matched approximately is from C. Percival, "Naive Differences of Executable Code" (2003) and
// "Matching with Mismatches and Assorted Applications" (2006), where bsdiff comes from: after a relink, long stretches
// are the same but for the addresses in them, which all move by the same few amounts. bsdiff sorts the suffixes of the
// whole; here exact seeds of 16 bytes come from a hash table over a bounded window, as in rsync and xdelta, and are
// extended approximately both ways, which takes linear time and little memory.

const seedBytes = 16;
const seedStep = 8;
/** Below the best score by this much, an extension is given up; a mismatch costs two matches. */
const patienceForward = 48;
const patienceBackward = 24;

export interface Delta {
  patch: Buffer<ArrayBuffer>;
  /** The part of the reference that it reads; the patch counts from its start. */
  referenceStart: number;
  referenceEnd: number;
}

/**
 * A patch that makes `target` of `reference`; undefined when they have nothing in common. `expectedOffset` is where
 * target's first byte is probably found in the reference, `phases` how both lie in their files. At most 8 MiB of target and
 * 32 MiB of reference.
 */
export function makeDelta(
  reference: Uint8Array,
  target: Uint8Array,
  expectedOffset: number,
  level: number,
  phases: Phases = { reference: 0, target: 0 },
): Delta | undefined {
  if (target.length > maxTargetBytes || reference.length > maxReferenceBytes)
    throw new Error('too large for one patch');
  const copies = withTableCopies(reference, target, findCopies(reference, target, expectedOffset), phases);
  if (copies.length === 0) return undefined;
  let [referenceStart, referenceEnd] = [Number.POSITIVE_INFINITY, 0];
  for (const { start, length, offset } of copies) {
    referenceStart = Math.min(referenceStart, start + offset);
    referenceEnd = Math.max(referenceEnd, start + offset + length);
  }
  const streams = writeStreams(reference, target, copies, referenceStart);
  return { patch: packStreams(streams, level), referenceStart, referenceEnd };
}

function findCopies(reference: Uint8Array, target: Uint8Array, expectedOffset: number): Copy[] {
  const seeds = new Seeds(reference);
  const copies: Copy[] = [];
  let lastOffset = expectedOffset;
  let doneTo = 0;
  let at = 0;
  while (at + seedBytes <= target.length) {
    const place = seeds.find(target, at);
    if (place >= 0 && matches(reference, place, target, at)) {
      // The alignment so far is preferred: it costs nothing to say, and its differences repeat.
      const isStillAligned = at + lastOffset >= 0 && matches(reference, at + lastOffset, target, at);
      const offset = isStillAligned ? lastOffset : place - at;
      const back = extendBackward(reference, target, at, offset, doneTo);
      const length = back + extendForward(reference, target, at, offset);
      copies.push({ start: at - back, length, offset });
      at = at - back + length;
      doneTo = at;
      lastOffset = offset;
      continue;
    }
    at += 1;
  }
  return copies;
}

/** Reused within a thread, as a fresh one for each patch would be most of the memory that patches take. */
let table = new Int32Array(0);

/** Bits of a slot that hold the number of a seed; the others have more of its hash, so that few places are looked at in vain. */
const numberBits = Math.log2(maxReferenceBytes / seedStep) + 1;
const numberMask = 2 ** numberBits - 1;

/** Where seeds of the reference are, by hash; of equal hashes the last one stays. A slot is 0 while it is free. */
class Seeds {
  readonly #slots: Int32Array;
  readonly #shift: number;

  constructor(reference: Uint8Array) {
    const bits = Math.max(4, Math.ceil(Math.log2(reference.length / seedStep)));
    this.#shift = 32 - bits;
    if (table.length < 2 ** bits) table = new Int32Array(2 ** bits);
    this.#slots = table.subarray(0, 2 ** bits).fill(0);
    fillSeeds(wordsOf(reference), this.#slots, this.#shift);
  }

  /** Where the reference probably has the sixteen bytes at `at`; -1 when it has them nowhere. */
  find(bytes: Uint8Array, at: number): number {
    const hash = hashOf(fieldAt(bytes, at), fieldAt(bytes, at + 4), fieldAt(bytes, at + 8), fieldAt(bytes, at + 12));
    const slot = this.#slots[hash >>> this.#shift]!;
    if (slot === 0 || slot >>> numberBits !== tagOf(hash)) return -1;
    return ((slot & numberMask) - 1) * seedStep;
  }
}

function fillSeeds(words: Int32Array, slots: Int32Array, shift: number): void {
  const step = seedStep / 4;
  for (let at = 0, number = 1; at + 4 <= words.length; at += step, number += 1) {
    const hash = hashOf(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
    slots[hash >>> shift] = (tagOf(hash) << numberBits) | number;
  }
}

/** The lower bits of a hash, mixed anew: the upper ones say which slot. */
function tagOf(hash: number): number {
  return Math.imul(hash, 0x85ebca6b) >>> numberBits;
}

/** Multiplicative hashing (Knuth, TAOCP 6.4) of four words; the best bits of it are the upper ones. */
function hashOf(first: number, second: number, third: number, fourth: number): number {
  let hash = Math.imul(first, 0x9e3779b1) ^ second;
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ third;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) ^ fourth;
  return Math.imul(hash ^ (hash >>> 16), 0x9e3779b1);
}

/** As words, in the order of bytes of this machine: little endian, as fieldAt reads them; on others no seed would be found. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >>> 2);
}

function matches(reference: Uint8Array, place: number, target: Uint8Array, at: number): boolean {
  for (let index = 0; index < seedBytes; index += 1) if (reference[place + index] !== target[at + index]) return false;
  return true;
}

/** How far from `at` on the two are alike enough: to the best balance of matches over mismatches. */
function extendForward(reference: Uint8Array, target: Uint8Array, at: number, offset: number): number {
  const end = Math.min(target.length, reference.length - offset);
  let [score, best, bestEnd] = [0, 0, at];
  for (let index = at; index < end; index += 1) {
    if (target[index] === reference[index + offset]) {
      score += 1;
      if (score > best) {
        best = score;
        bestEnd = index + 1;
      }
    } else {
      score -= 2;
      if (score < best - patienceForward) break;
    }
  }
  return bestEnd - at;
}

function extendBackward(
  reference: Uint8Array,
  target: Uint8Array,
  at: number,
  offset: number,
  earliest: number,
): number {
  const first = Math.max(earliest, -offset);
  let [score, best, bestStart] = [0, 0, at];
  for (let index = at - 1; index >= first; index -= 1) {
    if (target[index] === reference[index + offset]) {
      score += 1;
      if (score > best) {
        best = score;
        bestStart = index;
      }
    } else {
      score -= 2;
      if (score < best - patienceBackward) break;
    }
  }
  return at - bestStart;
}

function writeStreams(
  reference: Uint8Array,
  target: Uint8Array,
  copies: readonly Copy[],
  referenceStart: number,
): DeltaStreams {
  const steps = new ByteWriter(copies.length * 8);
  const gaps = new ByteWriter(target.length >>> 4);
  const additions = new ByteWriter(target.length >>> 4);
  const literals = new ByteWriter(target.length >>> 4);
  let doneTo = 0;
  let lastOffset = 0;
  const step = (literalEnd: number, length: number, offset: number) => {
    literals.raw(target.subarray(doneTo, literalEnd));
    steps.number(literalEnd - doneTo);
    steps.number(length);
    steps.signed(offset - lastOffset);
    doneTo = literalEnd + length;
    lastOffset = offset;
  };
  for (const { start, length, offset } of copies) {
    let end = start + length;
    let gapStart = start;
    for (let at = start; at < end; ) {
      if (target[at] === reference[at + offset]) {
        at += 1;
        continue;
      }
      if (at + 4 > end) {
        // No room for a field: the copy ends here, and what is left of it are literals.
        end = at;
        break;
      }
      gaps.number(at - gapStart);
      additions.word(fieldAt(target, at) - fieldAt(reference, at + offset));
      at += 4;
      gapStart = at;
    }
    if (end > start) gaps.number(end - gapStart);
    step(start, end - start, offset - referenceStart);
  }
  if (doneTo < target.length) step(target.length, 0, lastOffset);
  return { steps: steps.bytes(), gaps: gaps.bytes(), additions: additions.bytes(), literals: literals.bytes() };
}
