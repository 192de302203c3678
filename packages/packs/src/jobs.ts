import type { Transferable } from 'node:worker_threads';
import { assembleBatch } from './assemble-batch.ts';
import { encodeStretch } from './encode-stretch.ts';
import { makeFiles, syncFiles } from './file-jobs.ts';
import type { FileStream } from './file-stream.ts';
import { shortenManifest } from './manifest-transfer.ts';
import { hashRanges, scanSegment } from './scan-segment.ts';

/** Opens a stream of the pool by its name. */
export type Streams = (name: string) => FileStream;

/** All that threads do. Each gets a plain object and gives one back. */
export const jobs = {
  scan: scanSegment,
  hash: hashRanges,
  encode: encodeStretch,
  assemble: assembleBatch,
  makeFiles,
  syncFiles,
  shorten: ({ bytes, earlier }: { bytes: Uint8Array; earlier: Uint8Array }) => ({
    short: shortenManifest(bytes, earlier),
  }),
};

export type JobKind = keyof typeof jobs;
export type Job<Kind extends JobKind> = Parameters<(typeof jobs)[Kind]>[0];
export type JobResult<Kind extends JobKind> = ReturnType<(typeof jobs)[Kind]>;

/** The buffers of a result that can be handed over without a copy: those that are not a part of a larger one. */
export function transferablesOf(result: object): Transferable[] {
  const buffers = new Set<ArrayBuffer>();
  for (const value of Object.values(result)) {
    if (
      ArrayBuffer.isView(value) &&
      value.buffer instanceof ArrayBuffer &&
      value.byteLength === value.buffer.byteLength
    )
      buffers.add(value.buffer);
  }
  return [...buffers];
}
