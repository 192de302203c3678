import { lstat, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '@starling/host/disk-error.ts';
import type { Plan } from '@starling/packs/plan.ts';
import type { Manifest } from '@starling/packs/signed-manifest.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { bytesOf } from './update.ts';

/** Bytes that an unprivileged process may still write at a path. */
export type FreeBytes = (path: string) => Promise<number>;

export const freeBytes: FreeBytes = async (path) => {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
};

const reserveBytes = 64 * 1024 * 1024;
const bytesPerEntry = 4096;

/** What an update by this plan still writes: what it fetches, the tree that it makes at `partial`, and a reserve. */
export async function bytesNeeded(
  manifest: Manifest,
  plan: Plan,
  packPath: (sha256: string) => string,
  partial: string,
): Promise<number> {
  let bytes = manifest.entries.length * bytesPerEntry + reserveBytes;
  for (const fetch of plan.fetch) bytes += Math.max(0, bytesOf(fetch) - (await bytesOnDisk(packPath(fetch.pack))));
  const isBegun = (await lstat(partial).catch(() => undefined)) !== undefined;
  for (const entry of manifest.entries) {
    if (entry.type !== 'file') continue;
    bytes += Math.max(0, entry.sizeBytes - (isBegun ? await bytesOnDisk(join(partial, entry.path)) : 0));
  }
  return bytes;
}

/** UNAVAILABLE, saying what is needed and what is there, when the disk at `folder` has too little room. */
export async function needRoom(neededBytes: number, folder: string, free: FreeBytes): Promise<void> {
  const has = await free(folder);
  if (has >= neededBytes) return;
  throw new NoRoom(neededBytes, has, folder);
}

export class NoRoom extends StarlingError {
  constructor(neededBytes: number, hasBytes: number, folder: string) {
    super('UNAVAILABLE', `the disk of ${folder} needs ${formatBytes(neededBytes)} free, has ${formatBytes(hasBytes)}`, {
      fix: 'Make room on that disk, or keep fewer slots (STARLING_KEEP_SLOTS).',
    });
  }
}

/** Bytes the file takes on disk now: one that is half there may be a sparse file of its full size. */
async function bytesOnDisk(path: string): Promise<number> {
  try {
    const { blocks } = await stat(path);
    return blocks * 512;
  } catch (thrown) {
    if (isMissing(thrown)) return 0;
    throw thrown;
  }
}
