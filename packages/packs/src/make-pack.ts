import { rm } from 'node:fs/promises';
import { type Chunk, scanLandmarks, scanStream, sizeOf } from './chunk-tree.ts';
import { maxTargetBytes } from './delta-format.ts';
import type { EncodeJob, Levels } from './encode-stretch.ts';
import type { StreamFile } from './file-stream.ts';
import type { ManifestPatch } from './manifest.ts';
import { limits } from './manifest-codec.ts';
import { PackPart } from './pack-part.ts';
import { WindowFinder } from './reference-window.ts';
import { ThreadPool, threadsFor } from './thread-pool.ts';

export interface Location {
  /** SHA-256 of the pack. */
  pack: string;
  offset: number;
  encodedLength: number;
}

export interface PackJob {
  files: readonly StreamFile[];
  /** Told all chunks before `known` is asked for any of them. */
  onCut?: (chunks: readonly Chunk[]) => void;
  /** Where a live pack already has a chunk. */
  known: (digest: string) => Location | undefined;
  /** The build that patches are made against, unpacked on this machine. */
  previous?: { files: readonly StreamFile[] };
  /** How many builds a machine could be behind, by the patches of the previous build that touch this range of it. */
  depthOf?: (start: number, length: number) => number;
  /** Replaced when it is there; beside it a second file is needed meanwhile. */
  packFile: string;
  threads?: number;
  levels?: Levels;
  signal?: AbortSignal;
  onProgress?: (stage: 'chunk' | 'encode', bytesDone: number, bytesTotal: number) => void;
}

export interface MadePack {
  /** Undefined when nothing is new; there is no file then. */
  pack?: { digest: string; sizeBytes: number; patchBytes: number };
  /** All of the build; `pack` is empty for those in the new pack. */
  chunks: (Location & { digest: string; length: number })[];
  patches: Omit<ManifestPatch, 'pack' | 'ancestor'>[];
}

/** By measurement: docs/benchmarks.md. */
export const defaultLevels: Levels = { chunk: 3, patch: 9 };
const stretchBytes = 4 * 1024 * 1024;

interface Stretch {
  start: number;
  firstChunk: number;
  chunkCount: number;
}

/**
 * Cuts a tree and writes one pack of what no live pack has: patches first, then the chunks in full, so that a machine on
 * the previous build fetches one range. Holds at most a few stretches of 4 MiB and their windows a thread. The same
 * input gives the same pack. Throws UNAVAILABLE when the disk does not take it, or what reading throws.
 */
export async function makePack(job: PackJob): Promise<MadePack> {
  const { files, previous } = job;
  const pool = new ThreadPool({
    streams: { tree: files, ...(previous ? { previous: previous.files } : {}) },
    threads: job.threads ?? threadsFor(sizeOf(files)),
  });
  try {
    return await makePackWith(pool, job);
  } finally {
    await pool.close();
  }
}

async function makePackWith(pool: ThreadPool, job: PackJob): Promise<MadePack> {
  const { files, previous, signal, levels = defaultLevels } = job;
  const aborting = signal ? { signal } : {};
  const tree = await scanStream(pool, 'tree', sizeOf(files), {
    ...aborting,
    onProgress: (done, total) => job.onProgress?.('chunk', done, total),
  });
  job.onCut?.(tree.chunks);
  const chunks: MadePack['chunks'] = [];
  const stretches = findStretches(tree.chunks, job.known, chunks);
  if (stretches.length === 0) return { chunks, patches: [] };
  const finder =
    previous &&
    new WindowFinder(
      { files, landmarks: tree.landmarks },
      { files: previous.files, landmarks: await scanLandmarks(pool, 'previous', sizeOf(previous.files), aborting) },
    );
  const patches: MadePack['patches'] = [];
  const patchPart = await PackPart.create(job.packFile);
  const chunkPart = await PackPart.create(`${job.packFile}.chunks`).catch(async (thrown) => {
    await patchPart.close();
    throw thrown;
  });
  try {
    await pool.each(
      'encode',
      stretches,
      ({ start, firstChunk, chunkCount }): EncodeJob => {
        const lengths = chunks.slice(firstChunk, firstChunk + chunkCount).map(({ length }) => length);
        const end = lengths.reduce((sum, length) => sum + length, start);
        const reference = finder?.windowOf(start, end);
        return { start, lengths, levels, ...(reference ? { reference } : {}) };
      },
      async (encoded, { start, firstChunk, chunkCount }) => {
        let offset = chunkPart.sizeBytes;
        for (const [index, encodedLength] of encoded.encodedLengths.entries()) {
          Object.assign(chunks[firstChunk + index]!, { offset, encodedLength });
          offset += encodedLength;
        }
        await chunkPart.append(encoded.chunks);
        job.onProgress?.('encode', start, tree.sizeBytes);
        const { patch, referenceStart, referenceLength } = encoded;
        if (patch.length === 0) return;
        const depth = Math.min(limits.depth, 1 + (job.depthOf?.(referenceStart, referenceLength) ?? 0));
        const [patchOffset, length] = [patchPart.sizeBytes, patch.length];
        patches.push({ offset: patchOffset, length, firstChunk, chunkCount, referenceStart, referenceLength, depth });
        await patchPart.append(patch);
      },
      signal,
    );
    const patchBytes = patchPart.sizeBytes;
    await chunkPart.copyTo(patchPart, signal);
    settle(chunks, patchBytes);
    return { pack: { digest: await patchPart.finish(), sizeBytes: patchPart.sizeBytes, patchBytes }, chunks, patches };
  } finally {
    await patchPart.close();
    await chunkPart.close();
    await rm(`${job.packFile}.chunks`, { force: true });
  }
}

/** New chunks that follow each other, up to 4 MiB together. Lists all chunks on the way, those known with their place. */
function findStretches(all: readonly Chunk[], known: PackJob['known'], chunks: MadePack['chunks']): Stretch[] {
  const stretches: Stretch[] = [];
  const seen = new Set<string>();
  let current: Stretch | undefined;
  let start = 0;
  for (const [index, { digest, length }] of all.entries()) {
    const location = known(digest);
    chunks.push({ digest, length, ...(location ?? { pack: '', offset: -1, encodedLength: 0 }) });
    if (location || seen.has(digest)) current = undefined;
    else {
      seen.add(digest);
      if (!current || start + length - current.start > Math.min(stretchBytes, maxTargetBytes)) {
        current = { start, firstChunk: index, chunkCount: 0 };
        stretches.push(current);
      }
      current.chunkCount += 1;
    }
    start += length;
  }
  return stretches;
}

/** Chunks come behind the patches; one that stands twice in the build is stored once. */
function settle(chunks: MadePack['chunks'], patchBytes: number): void {
  const stored = new Map<string, MadePack['chunks'][number]>();
  for (const chunk of chunks) {
    if (chunk.pack !== '') continue;
    const first = stored.get(chunk.digest);
    if (first) Object.assign(chunk, { offset: first.offset, encodedLength: first.encodedLength });
    else {
      chunk.offset += patchBytes;
      stored.set(chunk.digest, chunk);
    }
  }
}
