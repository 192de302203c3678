import { chunkTree } from '@starling/packs/chunk-tree.ts';
import { listFiles } from '@starling/packs/tree-files.ts';
import type { BaseTree } from './update.ts';

/**
 * A tree that somebody else put on this machine, as a base: all of its files, read once and cut as builds are. Its files may
 * change or go meanwhile; every chunk is checked when it is taken. Throws what reading throws.
 */
export async function unmanagedCopy(folder: string, signal: AbortSignal): Promise<BaseTree> {
  const files = await listFiles(folder);
  // One thread: the machine has other things to do.
  const { chunks } = await chunkTree(files, { threads: 1, signal });
  return { name: 'unmanaged', chunks, files };
}
