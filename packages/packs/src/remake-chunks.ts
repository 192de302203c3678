import { type Batch, batchesOf } from './batches.ts';
import type { StreamFile } from './file-stream.ts';
import type { Failure } from './make-parts.ts';
import type { Plan } from './plan.ts';
import { ThreadPool } from './thread-pool.ts';

export interface RemakeRequest {
  plan: Plan;
  /** The files of the target, in path order; those that the chunks touch can be written. */
  files: readonly StreamFile[];
  /** Which chunks of the target. */
  chunks: ReadonlySet<number>;
  bases: ReadonlyMap<string, readonly StreamFile[]>;
  packFiles: ReadonlyMap<string, string>;
  signal?: AbortSignal;
}

/**
 * Makes some chunks of a tree again, in its files, with one thread. Returns those that are wrong still, and why some could
 * not be made.
 */
export async function remakeChunks(request: RemakeRequest): Promise<{ wrong: Set<number>; failures: Failure[] }> {
  const { plan, files, chunks, bases, packFiles, signal } = request;
  const streams: Record<string, readonly StreamFile[]> = { target: files };
  for (const [name, baseFiles] of bases) streams[`base:${name}`] = baseFiles;
  for (const { pack, packBytes } of plan.fetch) {
    const path = packFiles.get(pack);
    if (path !== undefined) streams[`pack:${pack}`] = [{ name: pack, path, sizeBytes: packBytes }];
  }
  const pool = new ThreadPool({ streams, writable: ['target'], threads: 1 });
  const failures: Failure[] = [];
  const wrong = new Set<number>();
  try {
    await pool.each(
      'assemble',
      batchesOf(plan, (chunk) => !chunks.has(chunk)),
      (batch: Batch) => ({ batch, mayBeThere: false }),
      (result) => void failures.push(...result.failures),
      signal,
    );
    const { build, starts } = plan.builds[0]!;
    await pool.each(
      'hash',
      chunks,
      (chunk) => ({ stream: 'target', ranges: [[starts[chunk]!, build.chunks[chunk]!.length]] }),
      ({ digests }, chunk) => {
        if (Buffer.from(digests).toString('hex') !== build.chunks[chunk]!.digest) wrong.add(chunk);
      },
      signal,
    );
  } finally {
    await pool.close();
  }
  return { wrong, failures };
}
