import type { Copy } from './delta-format.ts';

// Tables of addresses (relocations, symbols, indices of unwind information) are what a relink changes most: every entry of
// them moves, so that no sixteen bytes of the old one stand in the new one, and nothing to copy is found. But how
// an entry differs from the one before it stays, as most of what they point to moves together. So here both builds are
// seen as words less the word one entry earlier, and what is the same then is copied: what is added to each word is then
// the same number again and again, which costs next to nothing.

/** Bytes of an entry: of ELF's 64-bit relocations and symbols, and of pairs of 32-bit offsets. */
const entryBytes = [24, 8];
/** Fewer bytes without a copy are not worth a search. */
const leastGapBytes = 8 * 1024;
const leastGapsBytes = 64 * 1024;
const seedWords = 6;
const seedStepWords = 2;
/** Of the six words of a relocation four or five are the same wherever it points, so a word that differs weighs much. */
const mismatchCost = 8;
const patience = 96;

/** Bytes by which the start of each lies beyond a multiple of four in its file: words of programs begin at such multiples. */
export interface Phases {
  reference: number;
  target: number;
}

/** `copies`, in order, and between them those that are found in the gaps by what entries differ. */
export function withTableCopies(
  reference: Uint8Array,
  target: Uint8Array,
  copies: readonly Copy[],
  phases: Phases,
): readonly Copy[] {
  let all = copies;
  for (const bytes of entryBytes) {
    const gaps = gapsOf(all, target.length);
    if (gaps.reduce((sum, [from, to]) => sum + to - from, 0) < leastGapsBytes) break;
    const found = tableCopies(reference, target, gaps, phases, bytes / 4);
    if (found.length > 0) all = [...all, ...found].sort((a, b) => a.start - b.start);
  }
  return all;
}

function gapsOf(copies: readonly Copy[], targetBytes: number): [number, number][] {
  const gaps: [number, number][] = [];
  let doneTo = 0;
  for (const { start, length } of [...copies, { start: targetBytes, length: 0 }]) {
    if (start - doneTo >= leastGapBytes) gaps.push([doneTo, start]);
    doneTo = start + length;
  }
  return gaps;
}

function tableCopies(
  reference: Uint8Array,
  target: Uint8Array,
  gaps: readonly [number, number][],
  phases: Phases,
  entryWords: number,
): Copy[] {
  const [referenceSkip, targetSkip] = [-phases.reference & 3, -phases.target & 3];
  const older = differences(reference, referenceSkip, entryWords);
  const newer = differences(target, targetSkip, entryWords);
  const bits = Math.max(4, Math.ceil(Math.log2(older.length / seedStepWords)));
  const places = new Int32Array(2 ** bits).fill(-1);
  for (let at = 0; at + seedWords <= older.length; at += seedStepWords) places[hashOf(older, at) >>> (32 - bits)] = at;
  const copies: Copy[] = [];
  for (const [from, to] of gaps) {
    const end = Math.min(newer.length, Math.floor((to - targetSkip) / 4));
    let doneTo = Math.max(0, Math.ceil((from - targetSkip) / 4));
    for (let at = doneTo; at + seedWords <= end; ) {
      const place = places[hashOf(newer, at) >>> (32 - bits)]!;
      if (place < 0 || !isEqual(older, place, newer, at)) {
        at += 1;
        continue;
      }
      const offset = place - at;
      const start = at - extent(older, newer, at - 1, Math.max(doneTo, -offset) - 1, offset, -1);
      const stop = at + extent(older, newer, at, Math.min(end, older.length - offset), offset, 1);
      copies.push({
        start: targetSkip + start * 4,
        length: (stop - start) * 4,
        offset: referenceSkip - targetSkip + offset * 4,
      });
      doneTo = stop;
      at = stop;
    }
  }
  return copies;
}

/** Each word less the one an entry before it, modulo 2^32. */
function differences(bytes: Uint8Array, skip: number, entryWords: number): Int32Array {
  const aligned = new Uint8Array(bytes.subarray(skip));
  const words = new Int32Array(aligned.buffer, 0, aligned.length >>> 2);
  for (let at = words.length - 1; at >= entryWords; at -= 1) words[at]! -= words[at - entryWords]!;
  return words;
}

/** How many words from `at` on, in steps of `step` to before `end`, are alike enough. */
function extent(older: Int32Array, newer: Int32Array, at: number, end: number, offset: number, step: 1 | -1): number {
  let [score, best, bestCount] = [0, 0, 0];
  for (let index = at; index !== end; index += step) {
    if (newer[index] === older[index + offset]) {
      score += 1;
      if (score > best) {
        best = score;
        bestCount = Math.abs(index - at) + 1;
      }
    } else {
      score -= mismatchCost;
      if (score < best - patience) break;
    }
  }
  return bestCount;
}

function isEqual(older: Int32Array, place: number, newer: Int32Array, at: number): boolean {
  for (let index = 0; index < seedWords; index += 1) if (older[place + index] !== newer[at + index]) return false;
  return true;
}

/** Multiplicative hashing, as of seeds. */
function hashOf(words: Int32Array, at: number): number {
  let hash = 0;
  for (let index = 0; index < seedWords; index += 1) {
    hash = Math.imul(hash ^ words[at + index]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return Math.imul(hash, 0x85ebca6b);
}
