import { lstat, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '@starling/host/durable-file.ts';
import { comparePaths } from '@starling/shared/manifest.ts';
import type { StreamFile } from './file-stream.ts';
import type { TreeEntry } from './manifest.ts';

/** The stream of a tree that is at `folder`. Entries come in path order. */
export function streamFilesOf(folder: string, entries: readonly TreeEntry[]): StreamFile[] {
  return entries
    .filter((entry) => entry.type === 'file')
    .map(({ path, sizeBytes }) => ({ name: path, path: join(folder, path), sizeBytes }));
}

/** The files below a folder that nobody described, in path order; links and what is no file are left out. */
export async function listFiles(folder: string): Promise<StreamFile[]> {
  const found: StreamFile[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(join(folder, '/').length);
    found.push({ name, path, sizeBytes: (await lstat(path)).size });
  }
  return found.toSorted((a, b) => comparePaths(a.name, b.name));
}

/**
 * Makes the folders of a tree; what an earlier try left there is kept, and what does not belong there is removed. Whether
 * any file was kept.
 */
export async function prepareFolders(folder: string, entries: readonly TreeEntry[]): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const kinds = new Map(entries.map((entry) => [entry.path, entry.type]));
  const folders = foldersOf(entries);
  const isKept = await clear(folder, '', (path, type) =>
    type === 'directory' ? folders.has(path) : kinds.get(path) === type,
  );
  // Shorter paths first, so that each is made within one that is there.
  for (const path of [...folders].toSorted(comparePaths))
    await mkdir(join(folder, path), { recursive: true, mode: 0o755 });
  return isKept;
}

function foldersOf(entries: readonly TreeEntry[]): Set<string> {
  const folders = new Set<string>();
  for (const { path, type } of entries)
    for (let at = type === 'directory' ? path : dirname(path); at !== '.' && !folders.has(at); at = dirname(at))
      folders.add(at);
  return folders;
}

/** Removes what is not wanted, and links always, as nothing may be written through one. Whether a file was kept. */
async function clear(
  root: string,
  below: string,
  isWanted: (path: string, type: 'file' | 'directory') => boolean,
): Promise<boolean> {
  let isKept = false;
  for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    const type = entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : undefined;
    if (type === undefined || !isWanted(path, type)) await rm(join(root, path), { recursive: true });
    else if (type === 'file') isKept = true;
    else isKept = (await clear(root, path, isWanted)) || isKept;
  }
  return isKept;
}

/** Links, and the folders' names on the disk: with the files synced too, a power cut takes nothing of the tree after this. */
export async function finishFolders(folder: string, entries: readonly TreeEntry[]): Promise<void> {
  for (const entry of entries) if (entry.type === 'link') await symlink(entry.target, join(folder, entry.path));
  for (const path of foldersOf(entries)) await syncFolder(join(folder, path));
  await syncFolder(folder);
}
