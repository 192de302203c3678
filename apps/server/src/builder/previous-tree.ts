import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assembleTree } from '@starling/packs/assemble.ts';
import type { StreamFile } from '@starling/packs/file-stream.ts';
import { streamBytesOf } from '@starling/packs/manifest.ts';
import { planUpdate } from '@starling/packs/plan.ts';
import type { FetchRanges } from '@starling/packs/ranges.ts';
import type { Manifest } from '@starling/packs/signed-manifest.ts';
import { streamFilesOf } from '@starling/packs/tree-files.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { type BlobStore, packKey } from '../blobs/blob-store.ts';
import type { BuildCache } from './build-cache.ts';

export interface PreviousTreeOptions {
  /** Live builds, the newest first: the tree of that one is wanted. */
  earlier: readonly [Manifest, ...Manifest[]];
  cache: BuildCache;
  blobs: BlobStore;
  /** A folder for what is fetched on the way. */
  scratch: string;
  signal: AbortSignal;
  /** A line for the job's log. */
  say: (line: string) => void;
}

/** Fetching more than this makes the job wait longer than patches are worth. */
const mostBytesToFetch = 4 * 1024 * 1024 * 1024;

/**
 * The tree of the newest build: the one that is kept here, or made anew from the main store and from the tree of another
 * build that is kept. Undefined, with a line that says why, when that would take too much; patches are gone without then.
 */
export async function previousTree(options: PreviousTreeOptions): Promise<readonly StreamFile[] | undefined> {
  const { earlier, cache, signal, say } = options;
  const [newest] = earlier;
  const kept = await cache.tree(newest, signal);
  if (kept) return kept;
  try {
    return await madeAnew(options);
  } catch (thrown) {
    signal.throwIfAborted();
    say(`  ${newest.build}, the build before, cannot be made here (${messageOf(thrown)}): no patches`);
    return undefined;
  }
}

async function madeAnew({
  earlier,
  cache,
  blobs,
  scratch,
  signal,
  say,
}: PreviousTreeOptions): Promise<readonly StreamFile[] | undefined> {
  const [newest, ...older] = earlier;
  const bytes = streamBytesOf(newest);
  if (!cache.hasRoomFor(bytes)) {
    say(`  ${newest.build}, the build before, has ${formatBytes(bytes)}, more than may be kept: no patches`);
    return undefined;
  }
  const bases = new Map<string, readonly StreamFile[]>();
  const baseChunks = [];
  for (const manifest of older) {
    const files = await cache.tree(manifest, signal);
    if (!files) continue;
    bases.set(manifest.build, files);
    baseChunks.push({ name: manifest.build, chunks: manifest.chunks, manifestDigest: manifest.digest });
  }
  const plan = planUpdate({
    target: newest,
    ancestors: new Map(older.map((manifest) => [manifest.digest, manifest])),
    bases: baseChunks,
  });
  if (plan.bytesToFetch > mostBytesToFetch) {
    say(`  ${newest.build}, the build before, is ${formatBytes(plan.bytesToFetch)} away: no patches`);
    return undefined;
  }
  say(`  ${newest.build}, the build before, is made here: ${formatBytes(plan.bytesToFetch)} from ${blobs.description}`);
  const packFiles = new Map<string, string>();
  const folder = join(scratch, 'previous');
  try {
    for (const fetch of plan.fetch) {
      const path = join(scratch, `previous-${fetch.pack}`);
      packFiles.set(fetch.pack, path);
      await readRanges(blobs, fetch, path, signal);
    }
    const { failures } = await assembleTree({ plan, entries: newest.entries, folder, bases, packFiles, signal });
    if (failures[0]) throw new Error(failures[0].reason);
  } finally {
    for (const path of packFiles.values()) await rm(path, { force: true });
  }
  const files = streamFilesOf(folder, newest.entries);
  await cache.keep(newest, files);
  return (await cache.tree(newest, signal)) ?? files;
}

/** Ranges of a pack from the store, each at its place in a file. */
async function readRanges(
  blobs: BlobStore,
  { pack, ranges }: FetchRanges,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    for (const range of ranges) {
      let at = range.start;
      for await (const part of await blobs.read(packKey(pack), range)) {
        signal.throwIfAborted();
        for (let done = 0; done < (part as Buffer).length; ) {
          const { bytesWritten } = await file.write(part as Buffer, done, undefined, at + done);
          done += bytesWritten;
        }
        at += (part as Buffer).length;
      }
    }
  } finally {
    await file.close();
  }
}
