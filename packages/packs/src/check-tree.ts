import type { StreamFile } from './file-stream.ts';
import { type BuildManifest, chunkStarts, streamBytesOf } from './manifest.ts';
import { ThreadPool, threadsFor } from './thread-pool.ts';

const chunksAJob = 32;

/** Whether a tree has, byte for byte, the contents that its manifest names. False too when a file cannot be read. */
export async function isTreeRight(
  files: readonly StreamFile[],
  manifest: Pick<BuildManifest, 'chunks'>,
  signal?: AbortSignal,
): Promise<boolean> {
  const starts = chunkStarts(manifest);
  const runs = function* () {
    for (let first = 0; first < manifest.chunks.length; first += chunksAJob)
      yield manifest.chunks.slice(first, first + chunksAJob).map((chunk, index) => ({
        ...chunk,
        start: starts[first + index]!,
      }));
  };
  const pool = new ThreadPool({ streams: { tree: files }, threads: threadsFor(streamBytesOf(manifest)) });
  let isRight = true;
  try {
    await pool.each(
      'hash',
      runs(),
      (chunks) => ({ stream: 'tree', ranges: chunks.map(({ start, length }): [number, number] => [start, length]) }),
      ({ digests }, chunks) => {
        const found = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength).toString('hex');
        if (found !== chunks.map(({ digest }) => digest).join('')) isRight = false;
      },
      signal,
    );
  } catch {
    signal?.throwIfAborted();
    return false;
  } finally {
    await pool.close();
  }
  return isRight;
}
