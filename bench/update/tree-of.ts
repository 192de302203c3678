import { lstat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { StreamFile } from '@starling/packs/file-stream.ts';
import type { TreeEntry } from '@starling/packs/manifest.ts';
import { listFiles } from '@starling/packs/tree-files.ts';

/** A file or a folder, as a build would be described. */
export async function treeOf(path: string): Promise<{ files: StreamFile[]; entries: TreeEntry[] }> {
  const { size, isDirectory } = await lstat(path).then((stats) => ({
    size: stats.size,
    isDirectory: stats.isDirectory(),
  }));
  const files = isDirectory ? await listFiles(path) : [{ name: basename(path), path, sizeBytes: size }];
  const entries = files.map(({ name, sizeBytes }) => ({
    type: 'file' as const,
    path: name,
    executable: false,
    sizeBytes,
  }));
  return { files, entries };
}
