import type { Candidates } from './cuts.ts';

// Landmarks are places of a stream that are known again by the 32 bytes before them, one in about 4 KiB. Two builds of
// one program share most of them even where hardly a chunk is equal, as code without addresses in it stays the same.
// The shifts between equal landmarks say where a part of the new build was in the old one, after insertions and
// renames as well.

/** A landmark's print that stands more often than once says nothing. */
const ambiguous = -1;
/** Shifts that differ by less than this are counted together. */
const shiftBucketBytes = 256 * 1024;

export class Landmarks {
  readonly sizeBytes: number;
  /** Ascending, in bytes of the stream. */
  positions = new Float64Array(0);
  prints = new Int32Array(0);
  #parts: { start: number; found: Candidates }[] = [];
  #slots = new Int32Array(0);

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  /** Of the next segment, which begins at `start`. */
  add(start: number, { positions, bits, prints }: Candidates): void {
    this.#parts.push({ start, found: { positions, bits, prints } });
  }

  /** To be called once, when all are there. */
  seal(): void {
    const count = this.#parts.reduce((sum, { found }) => sum + found.positions.length, 0);
    this.positions = new Float64Array(count);
    this.prints = new Int32Array(count);
    let at = 0;
    for (const { start, found } of this.#parts) {
      for (let index = 0; index < found.positions.length; index += 1) {
        this.positions[at] = start + found.positions[index]!;
        this.prints[at] = found.prints[index]!;
        at += 1;
      }
    }
    this.#parts = [];
  }

  /** Where the landmark with this print is; undefined when there is none, or more than one. */
  placeOf(print: number): number | undefined {
    if (this.#slots.length === 0) this.#index();
    for (let slot = this.#slotOf(print); this.#slots[slot] !== 0; slot = (slot + 1) & (this.#slots.length - 1)) {
      const entry = this.#slots[slot]!;
      const index = Math.abs(entry) - 1;
      if (this.prints[index] === print) return Math.sign(entry) === ambiguous ? undefined : this.positions[index];
    }
    return undefined;
  }

  /** Slots hold a landmark's index + 1; negative ones stand more than once. */
  #index(): void {
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(this.prints.length * 1.5 + 2)));
    for (let index = 0; index < this.prints.length; index += 1) {
      const print = this.prints[index]!;
      let slot = this.#slotOf(print);
      while (this.#slots[slot] !== 0 && this.prints[Math.abs(this.#slots[slot]!) - 1] !== print)
        slot = (slot + 1) & (this.#slots.length - 1);
      this.#slots[slot] = this.#slots[slot] === 0 ? index + 1 : ambiguous * Math.abs(this.#slots[slot]!);
    }
  }

  #slotOf(print: number): number {
    return (Math.imul(print, 0x9e3779b1) >>> 7) & (this.#slots.length - 1);
  }
}

/**
 * By how much a range of the new stream is shifted in the old one, old minus new, as most of its landmarks say it;
 * undefined when none is known there.
 */
export function shiftOf(newer: Landmarks, older: Landmarks, start: number, end: number): number | undefined {
  const shifts: number[] = [];
  const votes = new Map<number, number>();
  for (let index = firstAtLeast(newer.positions, start); index < newer.positions.length; index += 1) {
    const position = newer.positions[index]!;
    if (position >= end) break;
    const place = older.placeOf(newer.prints[index]!);
    if (place === undefined) continue;
    shifts.push(place - position);
    // Into two buckets that overlap by half, so that no cluster is cut in two.
    const bucket = Math.floor((place - position) / shiftBucketBytes);
    for (const near of [bucket, bucket + 1]) votes.set(near, (votes.get(near) ?? 0) + 1);
  }
  let winner: number | undefined;
  for (const [bucket, count] of votes) if (winner === undefined || count > votes.get(winner)!) winner = bucket;
  if (winner === undefined) return undefined;
  const agreed = shifts
    .filter((shift) => Math.abs(Math.floor(shift / shiftBucketBytes) + 0.5 - winner) <= 0.5)
    .toSorted((a, b) => a - b);
  return agreed[agreed.length >>> 1];
}

function firstAtLeast(numbers: Float64Array, value: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
