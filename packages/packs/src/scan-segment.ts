import { createHash } from 'node:crypto';
import { type Candidates, CutChooser, findCandidates, hashedBytes, maxChunkBytes } from './cuts.ts';
import type { Streams } from './jobs.ts';
import { borrow, giveBack } from './scratch.ts';

export interface ScanJob {
  stream: string;
  /** The segment, in bytes of the stream. */
  start: number;
  end: number;
  /** Whether chunks are cut and hashed too; else only candidates are looked for. */
  withDigests: boolean;
}

export interface ScannedSegment extends Candidates {
  /**
   * The chunks as they are if one begins at `start`: a guess, as only the segments before can tell; after the first few
   * it is nearly always right. Lengths in bytes, and 32 bytes of SHA-256 each.
   */
  lengths: Uint32Array<ArrayBuffer>;
  digests: Uint8Array<ArrayBuffer>;
}

/** Reads a segment once, for its candidates and for the digests of the chunks that it probably has. */
export function scanSegment({ stream: name, start, end, withDigests }: ScanJob, streams: Streams): ScannedSegment {
  const stream = streams(name);
  const before = Math.min(start, hashedBytes);
  const readTo = withDigests ? Math.min(stream.sizeBytes, end + maxChunkBytes) : end;
  const bytes = filled(stream, start - before, borrow(readTo - start + before));
  // Beyond the segment too, as the last chunk that begins in it ends there; what is found there is for that chunk only.
  const found = findCandidates(bytes, before);
  const inside = upperBound(found.positions, end - start);
  const candidates = {
    positions: found.positions.slice(0, inside),
    bits: found.bits.slice(0, inside),
    prints: found.prints.slice(0, inside),
  };
  if (!withDigests) {
    giveBack(bytes);
    return { ...candidates, lengths: new Uint32Array(0), digests: new Uint8Array(0) };
  }
  const chooser = new CutChooser(found.positions, found.bits);
  const lengths: number[] = [];
  const digests: Buffer[] = [];
  for (let at = 0; at < end - start; ) {
    const cut = chooser.next(at, readTo - start);
    lengths.push(cut - at);
    digests.push(sha256(bytes.subarray(before + at, before + cut)));
    at = cut;
  }
  giveBack(bytes);
  return { ...candidates, lengths: Uint32Array.from(lengths), digests: joined(digests) };
}

export interface HashJob {
  stream: string;
  /** Start and length of each. */
  ranges: [number, number][];
}

export function hashRanges({ stream, ranges }: HashJob, streams: Streams): { digests: Uint8Array<ArrayBuffer> } {
  const source = streams(stream);
  // One buffer for all of them.
  const bytes = borrow(ranges.reduce((longest, [, length]) => Math.max(longest, length), 0));
  const digests = ranges.map(([start, length]) => sha256(filled(source, start, bytes.subarray(0, length))));
  giveBack(bytes);
  return { digests: joined(digests) };
}

/** Fills `bytes` with a range of the stream; throws when it is not all there. */
export function filled<Bytes extends Uint8Array>(
  stream: { read(start: number, into: Uint8Array): number },
  start: number,
  bytes: Bytes,
): Bytes {
  const bytesRead = stream.read(start, bytes);
  if (bytesRead !== bytes.length)
    throw new Error(`${bytes.length} bytes were expected at ${start}, and there are ${bytesRead}`);
  return bytes;
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function joined(digests: Buffer[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(digests.length * 32);
  for (const [index, digest] of digests.entries()) all.set(digest, index * 32);
  return all;
}

/** How many of the ascending numbers are at most `value`. */
function upperBound(numbers: Uint32Array, value: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
