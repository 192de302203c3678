import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '@starling/host/durable-file.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { ArtifactEntry, ArtifactFile, Manifest } from '@starling/shared/manifest.ts';
import { throwIfAborted } from '../lib/abort.ts';
import { unpackFile } from './unpack.ts';

// A slot is verified when it is made; afterwards anything on the machine may change it. What the manifest names is looked
// at again now and then, slowly, and put right from the pack. Files that the manifest does not name are not looked at:
// programs write where they run.

const bufferBytes = 1024 * 1024;
/** More than this is no drift but another tree; looking further tells nobody more. */
export const mostDrifts = 1_000;

export interface Drift {
  entry: ArtifactEntry;
  /** For people: `is gone`, `was changed`. */
  what: string;
}

/**
 * What in a slot is no longer as its manifest says, at most `mostDrifts`. `rest` is awaited for the bytes of each read, so
 * that the look takes no more of the disk than it may. Memory: 1 MiB. Throws Aborted, and the system's errors.
 */
export async function findDrift(
  slotFolder: string,
  entries: readonly ArtifactEntry[],
  rest: (bytes: number) => Promise<void>,
  signal: AbortSignal,
): Promise<Drift[]> {
  const drifts: Drift[] = [];
  const buffer = Buffer.allocUnsafe(bufferBytes);
  const folders = new Set([slotFolder]);
  for (const entry of entries) {
    throwIfAborted(signal);
    const parents = await areFolders(dirname(join(slotFolder, entry.path)), folders);
    const what = parents ? await wrongWith(join(slotFolder, entry.path), entry) : 'is gone';
    if (what !== undefined) drifts.push({ entry, what });
    if (drifts.length === mostDrifts) break;
  }
  return drifts;

  async function wrongWith(path: string, entry: ArtifactEntry): Promise<string | undefined> {
    const found = await lstat(path).catch(ifGone);
    if (!found) return 'is gone';
    if (entry.type === 'directory') return found.isDirectory() ? undefined : 'is no folder any more';
    if (entry.type === 'link') {
      const target = found.isSymbolicLink() ? await readlink(path) : undefined;
      return target === entry.target ? undefined : 'leads elsewhere';
    }
    if (!found.isFile()) return 'is no file any more';
    if (found.size !== entry.sizeBytes) return 'was changed';
    if (((found.mode & 0o111) !== 0) !== entry.executable) return 'has another mode';
    return (await digestOf(path, entry, buffer, rest, signal)) === entry.sha256 ? undefined : 'was changed';
  }
}

/**
 * Puts what drifted right, each by a rename, so that a program that has the old file open goes on with it. Nothing is written
 * through a link that was put in a folder's place. Returns what could not be put right, with why.
 */
export async function repairDrift(
  packPath: string,
  manifest: Manifest,
  slotFolder: string,
  drifts: readonly Drift[],
  signal: AbortSignal,
): Promise<Drift[]> {
  if (manifest.pack.sizeBytes === 0) return [...drifts];
  const left: Drift[] = [];
  const pack = await open(packPath, 'r');
  try {
    const buffer = Buffer.allocUnsafe(bufferBytes);
    for (const drift of drifts) {
      throwIfAborted(signal);
      const path = join(slotFolder, drift.entry.path);
      const fresh = join(dirname(path), `.starling-${randomBytes(6).toString('hex')}`);
      try {
        await makeFolders(slotFolder, drift.entry.type === 'directory' ? path : dirname(path));
        if (drift.entry.type === 'directory') continue;
        if (drift.entry.type === 'link') await symlink(drift.entry.target, fresh);
        else if (!(await unpackFile(pack, drift.entry, fresh, buffer, signal)))
          throw new Error('the pack is wrong too');
        // A rename does not take the place of a folder.
        if ((await lstat(path).catch(ifGone))?.isDirectory()) await rm(path, { recursive: true });
        await rename(fresh, path);
        await syncFolder(dirname(path));
      } catch (thrown) {
        await rm(fresh, { force: true });
        throwIfAborted(signal);
        left.push({ ...drift, what: `${drift.what} and cannot be put right: ${messageOf(thrown)}` });
      }
    }
  } finally {
    await pack.close();
  }
  return left;
}

async function digestOf(
  path: string,
  { sizeBytes }: ArtifactFile,
  buffer: Buffer,
  rest: (bytes: number) => Promise<void>,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (let done = 0; done < sizeBytes; ) {
      throwIfAborted(signal);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, done);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      done += bytesRead;
      await rest(bytesRead);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Whether the path is a folder below real folders alone. `known` remembers those that are. */
async function areFolders(path: string, known: Set<string>): Promise<boolean> {
  if (known.has(path)) return true;
  if (!(await areFolders(dirname(path), known))) return false;
  if (!(await lstat(path).catch(ifGone))?.isDirectory()) return false;
  known.add(path);
  return true;
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

function ifGone(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== 'ENOENT' && thrown.code !== 'ENOTDIR') throw thrown;
  return undefined;
}
