import { createHash } from 'node:crypto';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { StarlingError } from '@starling/shared/errors.ts';
import type { BlobSource, BlobStore } from '../blobs/blob-store.ts';

export interface CopyOptions {
  key: string;
  sha256: string;
  sizeBytes: number;
  from: BlobStore;
  to: BlobStore;
  signal: AbortSignal;
  onProgress: (bytesDone: number) => void;
}

/**
 * Copies one blob, resuming what an interrupted copy left, then reads the copy back and compares its SHA-256: only
 * bytes that the target has given back count as there. A copy that does not match is deleted.
 */
export async function copyVerified({
  key,
  sha256,
  sizeBytes,
  from,
  to,
  signal,
  onProgress,
}: CopyOptions): Promise<void> {
  if ((await to.sizeOf(key)) !== sizeBytes) {
    await to.upload(key, sourceIn(from, key, sizeBytes), { signal, onProgress });
  }
  onProgress(sizeBytes);
  const hash = createHash('sha256');
  await pipeline(await to.read(key), hash, { signal });
  const found = hash.digest('hex');
  if (found === sha256) return;
  await to.delete(key);
  throw new StarlingError(
    'UNAVAILABLE',
    `${key} in ${to.description} came out as ${found}; it was deleted and is copied again`,
  );
}

function sourceIn(store: BlobStore, key: string, sizeBytes: number): BlobSource {
  return {
    sizeBytes,
    read: (start, end) => {
      const through = new PassThrough();
      store.read(key, { start, end }).then(
        (bytes: Readable) => pipeline(bytes, through).catch((error: Error) => through.destroy(error)),
        (error: Error) => through.destroy(error),
      );
      return through;
    },
  };
}
