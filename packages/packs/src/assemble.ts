import { join } from 'node:path';
import { diskError } from '@starling/host/disk-error.ts';
import { type Batch, batchesOf } from './batches.ts';
import type { StreamFile } from './file-stream.ts';
import { freeAll } from './free-buffers.ts';
import type { Failure } from './make-parts.ts';
import type { TreeEntry } from './manifest.ts';
import type { Plan } from './plan.ts';
import { ThreadPool, threadsFor } from './thread-pool.ts';
import { finishFolders, prepareFolders, streamFilesOf } from './tree-files.ts';

export interface AssembleRequest {
  plan: Plan;
  /** Of the target, in path order. */
  entries: readonly TreeEntry[];
  /** Where the tree is made. What an earlier try left there is gone on with. */
  folder: string;
  /** The bases of the plan, by name. */
  bases: ReadonlyMap<string, readonly StreamFile[]>;
  /** A file for each pack of the plan, with the ranges that were fetched at their places. */
  packFiles: ReadonlyMap<string, string>;
  threads?: number;
  signal?: AbortSignal;
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

export interface Assembled {
  /** Empty when the tree is complete. Otherwise plan anew without these, fetch, and assemble again. */
  failures: Failure[];
  bytesWritten: number;
}

/**
 * Makes a tree by a plan, straight in its place. Each chunk is checked before it is written, and all of them once more as
 * they are read back, so that the tree as a whole is what the manifest says. May be killed anywhere: run again, it keeps
 * what is right by looking at it. Holds about 12 MiB a thread, and as much again for each build in a chain of patches.
 * Throws UNAVAILABLE when the disk does not take the new tree, or the reason of `signal`.
 */
export async function assembleTree(request: AssembleRequest): Promise<Assembled> {
  try {
    return await assemble(request);
  } catch (thrown) {
    throw diskError(thrown, request.folder);
  }
}

async function assemble(request: AssembleRequest): Promise<Assembled> {
  const { plan, entries, folder, signal, onProgress } = request;
  const mayBeThere = await prepareFolders(folder, entries);
  const target = plan.builds[0]!;
  const bytesTotal = target.build.chunks.reduce((sum, { length }) => sum + length, 0);
  // What planning and fetching left behind goes before threads take as much.
  if (bytesTotal > worthFreeingBytes) freeAll();
  const failures = new Map<string, Failure>();
  let [bytesDone, bytesWritten] = [0, 0];
  const pool = new ThreadPool({
    streams: streamsOf(request),
    writable: ['target'],
    threads: request.threads ?? threadsFor(bytesTotal),
  });
  try {
    await eachFile(pool, 'makeFiles', request);
    await pool.each(
      'assemble',
      batchesOf(plan),
      (batch: Batch) => ({ batch, mayBeThere }),
      (result, { length }) => {
        for (const failure of result.failures) failures.set(JSON.stringify(failure), failure);
        bytesWritten += result.bytesWritten;
        onProgress?.((bytesDone += length), bytesTotal);
      },
      signal,
    );
    if (failures.size === 0) {
      await readBack(pool, plan, signal);
      await eachFile(pool, 'syncFiles', request);
      await finishFolders(folder, entries);
    }
  } finally {
    await pool.close();
  }
  return { failures: [...failures.values()], bytesWritten };
}

const filesAJob = 64;
/** A smaller tree leaves little behind, and collecting takes some 20 ms. */
const worthFreeingBytes = 64 * 1024 * 1024;

async function eachFile(
  pool: ThreadPool,
  kind: 'makeFiles' | 'syncFiles',
  { entries, folder, signal }: AssembleRequest,
): Promise<void> {
  const files = entries.filter((entry) => entry.type === 'file');
  const groups = function* () {
    for (let first = 0; first < files.length; first += filesAJob) yield files.slice(first, first + filesAJob);
  };
  await pool.each(
    kind,
    groups(),
    (group) => ({ files: group.map((file) => ({ ...file, path: join(folder, file.path) })) }),
    () => {},
    signal,
  );
}

function streamsOf({
  plan,
  entries,
  folder,
  bases,
  packFiles,
}: AssembleRequest): Record<string, readonly StreamFile[]> {
  const streams: Record<string, readonly StreamFile[]> = { target: streamFilesOf(folder, entries) };
  for (const [name, files] of bases) streams[`base:${name}`] = files;
  for (const { pack, packBytes } of plan.fetch) {
    const path = packFiles.get(pack);
    if (path === undefined) throw new Error(`the plan fetches from the pack ${pack}, of which there is no file`);
    streams[`pack:${pack}`] = [{ name: pack, path, sizeBytes: packBytes }];
  }
  return streams;
}

async function readBack(pool: ThreadPool, plan: Plan, signal: AbortSignal | undefined): Promise<void> {
  const { build, starts } = plan.builds[0]!;
  const runs = function* () {
    for (let first = 0; first < build.chunks.length; first += 32)
      yield build.chunks.slice(first, first + 32).map((chunk, index) => ({ ...chunk, start: starts[first + index]! }));
  };
  await pool.each(
    'hash',
    runs(),
    (chunks) => ({ stream: 'target', ranges: chunks.map(({ start, length }): [number, number] => [start, length]) }),
    ({ digests }, chunks) => {
      const found = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength).toString('hex');
      if (found !== chunks.map(({ digest }) => digest).join(''))
        throw new Error('what was written to the new tree is not what is read back; is its disk in order?');
    },
    signal,
  );
}
