import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '@starling/host/disk-error.ts';
import { isFolder, namesIn } from './folders.ts';

/** Bytes on disk that a folder takes with all in it; what goes away meanwhile is not counted, nor is what links lead to. */
export async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    try {
      const found = await lstat(path);
      bytes += found.blocks * 512;
      if (found.isDirectory() && (await isFolder(path))) bytes += await bytesIn(path);
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
    }
  }
  return bytes;
}
