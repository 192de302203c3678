import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { BlobSource } from './blob-store.ts';

/** A file as the source of an upload. It must not change until the upload is over. */
export async function fileSource(path: string): Promise<BlobSource> {
  const { size } = await stat(path);
  return {
    sizeBytes: size,
    // A read stream counts its last byte in; an empty range has none.
    read: (start, end) =>
      start === end ? Readable.from([]) : createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 }),
  };
}

/** Bytes in memory as the source of an upload: for small blobs, such as manifests. */
export function bytesSource(bytes: Uint8Array): BlobSource {
  return { sizeBytes: bytes.length, read: (start, end) => Readable.from([Buffer.from(bytes.subarray(start, end))]) };
}
