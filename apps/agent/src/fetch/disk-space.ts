import { stat, statfs } from 'node:fs/promises';
import { isMissing } from '@starling/host/disk-error.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Manifest } from '@starling/shared/manifest.ts';

/** Bytes that an unprivileged process may still write at a path. */
export type FreeBytes = (path: string) => Promise<number>;

export const freeBytes: FreeBytes = async (path) => {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
};

const reserveBytes = 64 * 1024 * 1024;
const bytesPerEntry = 4096;

/** What fetching and unpacking a build still writes: the rest of its pack, its tree, and a reserve. */
export async function bytesNeeded(manifest: Manifest, packPath: string): Promise<number> {
  const rest = Math.max(0, manifest.pack.sizeBytes - (await bytesOnDisk(packPath)));
  return rest + manifest.pack.sizeBytes + manifest.entries.length * bytesPerEntry + reserveBytes;
}

/** UNAVAILABLE, saying what is needed and what is there, when the disk at `folder` has too little room. */
export async function needRoom(neededBytes: number, folder: string, free: FreeBytes): Promise<void> {
  const has = await free(folder);
  if (has >= neededBytes) return;
  throw new StarlingError(
    'UNAVAILABLE',
    `the disk of ${folder} needs ${formatBytes(neededBytes)} free, has ${formatBytes(has)}`,
    { fix: 'Make room on that disk, or keep fewer slots (STARLING_KEEP_SLOTS).' },
  );
}

/** Bytes the file takes on disk now: a half-fetched pack may be a sparse file of its full size. */
async function bytesOnDisk(path: string): Promise<number> {
  try {
    const { blocks } = await stat(path);
    return blocks * 512;
  } catch (thrown) {
    if (isMissing(thrown)) return 0;
    throw thrown;
  }
}
