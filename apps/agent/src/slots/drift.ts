import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { chunkStarts, type TreeEntry } from '@starling/packs/manifest.ts';
import type { Manifest } from '@starling/packs/signed-manifest.ts';
import { throwIfAborted } from '../lib/abort.ts';

// A tree that was verified can still change: disks lose bytes, people edit files. So the slot that runs is looked at again
// now and then, slowly, by its chunks. Files that the manifest does not name are not looked at: programs write where they
// run. `drift-repair.ts` puts right what is found.

/** More than this is no drift but another tree; looking further tells nobody more. */
export const mostDrifts = 1_000;

export interface Drift {
  entry: TreeEntry;
  /** For people: `is gone`, `was changed`. */
  what: string;
}

export interface FoundDrift {
  drifts: Drift[];
  /** Which chunks of the tree are not what they were. */
  chunks: Set<number>;
}

/** A file's place in the stream. */
export interface PlacedFile {
  entry: Extract<TreeEntry, { type: 'file' }>;
  start: number;
}

/** The files with contents, in the order of the stream. */
export function placedFiles(entries: readonly TreeEntry[]): PlacedFile[] {
  const placed: PlacedFile[] = [];
  let start = 0;
  for (const entry of entries) {
    if (entry.type !== 'file' || entry.sizeBytes === 0) continue;
    placed.push({ entry, start });
    start += entry.sizeBytes;
  }
  return placed;
}

/**
 * What in a slot is no longer as its manifest says, at most `mostDrifts` entries. Where a wrong chunk lies in several files,
 * all of them are named: which of them it was shows when it is put right. `rest` is awaited for the bytes of each read, so
 * that the look takes no more of the disk than it may. Memory: one chunk. Throws Aborted, and the system's errors.
 */
export async function findDrift(
  slotFolder: string,
  { entries, chunks }: Pick<Manifest, 'entries' | 'chunks'>,
  rest: (bytes: number) => Promise<void>,
  signal: AbortSignal,
): Promise<FoundDrift> {
  const found: FoundDrift = { drifts: [], chunks: new Set() };
  const wrong = new Set<string>();
  const folders = new Set([slotFolder]);
  const note = (entry: TreeEntry, what: string) => {
    if (wrong.has(entry.path) || found.drifts.length === mostDrifts) return;
    wrong.add(entry.path);
    found.drifts.push({ entry, what });
  };
  for (const entry of entries) {
    throwIfAborted(signal);
    const parents = await areFolders(dirname(join(slotFolder, entry.path)), folders);
    const what = parents ? await wrongWith(join(slotFolder, entry.path), entry) : 'is gone';
    if (what !== undefined) note(entry, what);
  }
  const files = placedFiles(entries);
  const starts = chunkStarts({ chunks });
  const reader = new TreeReader(slotFolder);
  try {
    let first = 0;
    for (const [index, { digest, length }] of chunks.entries()) {
      throwIfAborted(signal);
      const start = starts[index]!;
      while (files[first]!.start + files[first]!.entry.sizeBytes <= start) first += 1;
      const touched: PlacedFile[] = [];
      for (let at = first; at < files.length && files[at]!.start < start + length; at += 1) touched.push(files[at]!);
      const mayRead = touched.every(({ entry }) => !wrong.has(entry.path));
      if (mayRead && found.drifts.length === mostDrifts) continue;
      if (mayRead && (await reader.digestOf(touched, start, length)) === digest) {
        await rest(length);
        continue;
      }
      found.chunks.add(index);
      if (mayRead) for (const { entry } of touched) note(entry, 'was changed');
    }
  } finally {
    await reader.close();
  }
  return found;
}

async function wrongWith(path: string, entry: TreeEntry): Promise<string | undefined> {
  const found = await lstat(path).catch(ifGone);
  if (!found) return 'is gone';
  if (entry.type === 'directory') return found.isDirectory() ? undefined : 'is no folder any more';
  if (entry.type === 'link') {
    const target = found.isSymbolicLink() ? await readlink(path) : undefined;
    return target === entry.target ? undefined : 'leads elsewhere';
  }
  if (!found.isFile()) return 'is no file any more';
  if (found.size !== entry.sizeBytes) return 'was changed';
  return ((found.mode & 0o111) !== 0) !== entry.executable ? 'has another mode' : undefined;
}

/** Reads ranges of a stream with one file open at a time. */
class TreeReader {
  readonly #folder: string;
  #open: { path: string; file: FileHandle } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** SHA-256 of a range of the stream; of less, when a file ends early. */
  async digestOf(files: readonly PlacedFile[], start: number, length: number): Promise<string> {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(length);
    for (const { entry, start: fileStart } of files) {
      const from = Math.max(start, fileStart);
      const wanted = Math.min(start + length, fileStart + entry.sizeBytes) - from;
      const file = await this.#file(entry.path);
      for (let done = 0; done < wanted; ) {
        const { bytesRead } = await file.read(buffer, done, wanted - done, from - fileStart + done);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(done, done + bytesRead));
        done += bytesRead;
      }
    }
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.#open?.file.close();
    this.#open = undefined;
  }

  async #file(path: string): Promise<FileHandle> {
    if (this.#open?.path !== path) {
      await this.close();
      this.#open = { path, file: await open(join(this.#folder, path), constants.O_RDONLY | constants.O_NOFOLLOW) };
    }
    return this.#open.file;
  }
}

/** Whether the path is a folder below real folders alone. `known` remembers those that are. */
async function areFolders(path: string, known: Set<string>): Promise<boolean> {
  if (known.has(path)) return true;
  if (!(await areFolders(dirname(path), known))) return false;
  if (!(await lstat(path).catch(ifGone))?.isDirectory()) return false;
  known.add(path);
  return true;
}

export function ifGone(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== 'ENOENT' && thrown.code !== 'ENOTDIR') throw thrown;
  return undefined;
}
