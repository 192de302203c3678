import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, type FileHandle, lstat, mkdir, open, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '@starling/host/durable-file.ts';
import { chunkStarts, type TreeEntry } from '@starling/packs/manifest.ts';
import { remakeChunks } from '@starling/packs/remake-chunks.ts';
import type { Manifest } from '@starling/packs/signed-manifest.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { PreparedUpdate } from '../fetch/update.ts';
import { Aborted, throwIfAborted } from '../lib/abort.ts';
import { type Drift, type FoundDrift, ifGone, placedFiles } from './drift.ts';

export interface RepairRequest {
  slotFolder: string;
  manifest: Pick<Manifest, 'entries' | 'chunks'>;
  found: FoundDrift;
  /** Fetches what the wrong chunks are made of; not called when no chunk is wrong. */
  prepare: () => Promise<PreparedUpdate>;
  signal: AbortSignal;
}

export interface Repair {
  /** What really had drifted: without files that only share a chunk with one that had. */
  drifts: Drift[];
  /** What could not be put right, with why. */
  left: Drift[];
}

/**
 * Puts what drifted right, each file by a rename, so that a program that has the old one open goes on with it. Nothing is
 * written through a link that was put in a folder's place.
 */
export async function repairDrift({ slotFolder, manifest, found, prepare, signal }: RepairRequest): Promise<Repair> {
  const drifted = new Map(found.drifts.map((drift) => [drift.entry.path, drift]));
  const fresh = new Map<string, string>();
  const touched = filesTouching(manifest, found.chunks);
  const failed = new Map<string, string>();
  try {
    for (const entry of new Set([...found.drifts.map((drift) => drift.entry), ...touched])) {
      throwIfAborted(signal);
      try {
        const path = join(slotFolder, entry.path);
        await makeFolders(slotFolder, entry.type === 'directory' ? path : dirname(path));
        if (entry.type === 'directory') continue;
        const beside = join(dirname(path), `.starling-${randomBytes(6).toString('hex')}`);
        fresh.set(entry.path, beside);
        if (entry.type === 'link') await symlink(entry.target, beside);
        else await copyOf(path, beside, entry);
      } catch (thrown) {
        failed.set(entry.path, messageOf(thrown));
      }
    }
    if (found.chunks.size > 0) {
      const { wrong, reason } = await remade();
      for (const { path } of filesTouching(manifest, wrong)) failed.set(path, reason);
    }
    const repair: Repair = { drifts: [], left: [] };
    for (const entry of new Set([...found.drifts.map((drift) => drift.entry), ...touched])) {
      const drift = drifted.get(entry.path) ?? { entry, what: 'was changed' };
      const path = join(slotFolder, entry.path);
      const beside = fresh.get(entry.path);
      const why = failed.get(entry.path) ?? (beside && (await puttingInPlace(beside, path, entry)));
      if (why === 'innocent') continue;
      repair.drifts.push(drift);
      if (why !== undefined) repair.left.push({ ...drift, what: `${drift.what} and cannot be put right: ${why}` });
      else fresh.delete(entry.path);
    }
    return repair;
  } finally {
    for (const path of fresh.values()) await rm(path, { force: true });
  }

  async function remade(): Promise<{ wrong: Set<number>; reason: string }> {
    try {
      const { plan, bases, packFiles } = await prepare();
      const files = manifest.entries.flatMap((entry) =>
        entry.type === 'file'
          ? [
              {
                name: entry.path,
                path: fresh.get(entry.path) ?? join(slotFolder, entry.path),
                sizeBytes: entry.sizeBytes,
              },
            ]
          : [],
      );
      const { wrong, failures } = await remakeChunks({ plan, files, chunks: found.chunks, bases, packFiles, signal });
      return { wrong, reason: failures[0]?.reason ?? 'its chunks are wrong still' };
    } catch (thrown) {
      if (thrown instanceof Aborted || signal.aborted) throw new Aborted();
      return { wrong: found.chunks, reason: messageOf(thrown) };
    }
  }
}

/** Why the fresh file did not take its place; `innocent` when the old one has the same content and mode. */
async function puttingInPlace(fresh: string, path: string, entry: TreeEntry): Promise<string | undefined> {
  try {
    const old = await lstat(path).catch(ifGone);
    if (entry.type === 'file') {
      const isLike = old?.isFile() && old.size === entry.sizeBytes && ((old.mode & 0o111) !== 0) === entry.executable;
      if (isLike && (await areEqual(fresh, path))) return 'innocent';
      const file = await open(fresh, 'r');
      await file.sync().finally(() => file.close());
    }
    // A rename does not take the place of a folder.
    if (old?.isDirectory()) await rm(path, { recursive: true });
    await rename(fresh, path);
    await syncFolder(dirname(path));
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** A file of the right size and mode with what is there of the old one. */
async function copyOf(path: string, fresh: string, { sizeBytes, executable }: Extract<TreeEntry, { type: 'file' }>) {
  const old = await lstat(path).catch(ifGone);
  if (old?.isFile()) await copyFile(path, fresh, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  const file = await open(fresh, old?.isFile() ? 'r+' : 'wx', 0o600);
  await file.truncate(sizeBytes).finally(() => file.close());
  await chmod(fresh, executable ? 0o755 : 0o644);
}

async function areEqual(a: string, b: string): Promise<boolean> {
  const files: FileHandle[] = [];
  try {
    for (const path of [a, b]) files.push(await open(path, constants.O_RDONLY | constants.O_NOFOLLOW));
    const buffers = [Buffer.alloc(256 * 1024), Buffer.alloc(256 * 1024)];
    for (let at = 0; ; ) {
      const counts = [];
      for (const [index, file] of files.entries())
        counts.push((await file.read(buffers[index]!, 0, buffers[index]!.length, at)).bytesRead);
      const [one = 0, other = 0] = counts;
      if (one !== other || !buffers[0]!.subarray(0, one).equals(buffers[1]!.subarray(0, one))) return false;
      if (one === 0) return true;
      at += one;
    }
  } finally {
    for (const file of files) await file.close();
  }
}

function filesTouching({ entries, chunks }: RepairRequest['manifest'], some: ReadonlySet<number>) {
  const starts = chunkStarts({ chunks });
  const ranges = [...some].map((chunk) => [starts[chunk]!, starts[chunk]! + chunks[chunk]!.length] as const);
  return placedFiles(entries)
    .filter(({ entry, start }) => ranges.some(([from, to]) => from < start + entry.sizeBytes && to > start))
    .map(({ entry }) => entry);
}

/** Makes the folders below `root`; what stands in their place and is none goes. */
async function makeFolders(root: string, path: string): Promise<void> {
  if (path === root) return;
  await makeFolders(root, dirname(path));
  const found = await lstat(path).catch(ifGone);
  if (found?.isDirectory()) return;
  if (found) await rm(path);
  await mkdir(path, { mode: 0o755 });
}
