import { makeDelta } from './delta-encode.ts';
import type { Streams } from './jobs.ts';
import { filled } from './scan-segment.ts';
import { borrow, giveBack } from './scratch.ts';
import type { Phases } from './table-copies.ts';
import { compress } from './zstd.ts';

export interface EncodeJob {
  start: number;
  /** Of the new chunks that follow each other from `start` on. */
  lengths: number[];
  /** Where the previous build probably has the same, in bytes of the stream `previous`; `place` is that of `start`. */
  reference?: { start: number; end: number; place: number };
  levels: Levels;
}

export interface Levels {
  /** zstd's level of chunks on their own. */
  chunk: number;
  /** zstd's level of what a patch is made of. */
  patch: number;
}

export interface EncodedStretch {
  /** The chunks one after another, each compressed on its own, or as it is where that is no longer. */
  chunks: Uint8Array<ArrayBuffer>;
  encodedLengths: number[];
  /** Empty when there is none that pays. */
  patch: Uint8Array<ArrayBuffer>;
  referenceStart: number;
  referenceLength: number;
}

/** A patch is kept when it saves a fifth of what its chunks take; less is not worth a range of its own. */
const worthwhileShare = 0.8;

/** Encodes chunks that follow each other: each in full, and all together as a patch where that pays. */
export function encodeStretch(job: EncodeJob, streams: Streams): EncodedStretch {
  const { start, lengths, reference } = job;
  const bytes = filled(streams('tree'), start, borrow(lengths.reduce((sum, length) => sum + length, 0)));
  const window = reference && filled(streams('previous'), reference.start, borrow(reference.end - reference.start));
  const phases = {
    reference: reference ? streams('previous').placeInFile(reference.start) : 0,
    target: streams('tree').placeInFile(start),
  };
  const encoded = encode(job, bytes, window, phases);
  giveBack(bytes);
  if (window) giveBack(window);
  return encoded;
}

function encode(
  { lengths, reference, levels }: EncodeJob,
  bytes: Buffer,
  window: Buffer | undefined,
  phases: Phases,
): EncodedStretch {
  const encoded: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    const plain = bytes.subarray(at, at + length);
    const short = compress(plain, levels.chunk);
    encoded.push(short.length < length ? short : plain);
    at += length;
  }
  const chunks = joined(encoded);
  const result = { chunks, encodedLengths: encoded.map((one) => one.length) };
  const none = { ...result, patch: new Uint8Array(0), referenceStart: 0, referenceLength: 0 };
  if (!reference || !window) return none;
  const delta = makeDelta(window, bytes, reference.place - reference.start, levels.patch, phases);
  if (!delta || delta.patch.length > chunks.length * worthwhileShare) return none;
  return {
    ...result,
    patch: new Uint8Array(delta.patch),
    referenceStart: reference.start + delta.referenceStart,
    referenceLength: delta.referenceEnd - delta.referenceStart,
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
