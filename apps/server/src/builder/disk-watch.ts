import { statfs } from 'node:fs/promises';
import type { Clock } from '@starling/shared/clock.ts';
import { formatBytes } from '@starling/shared/durations.ts';

/** The free space of the disk that a folder is on, in bytes; undefined when nobody knows. */
export type FreeBytes = (folder: string) => Promise<number | undefined>;

export const systemFreeBytes: FreeBytes = async (folder) => {
  const disk = await statfs(folder).catch(() => undefined);
  return disk && disk.bavail * disk.bsize;
};

export interface DiskWatch {
  folder: string;
  /** Less free space than that, in bytes, is too little. */
  minFreeBytes: number;
  freeBytesOf: FreeBytes;
  clock: Clock;
  signal: AbortSignal;
  /** Called once, with a sentence, when there is too little. */
  onAlmostFull: (reason: string) => void;
}

const everyMs = 1_000;

/** Looks every second until aborted. A full disk would stop much more than the build that fills it. */
export async function watchDisk(watch: DiskWatch): Promise<void> {
  const { folder, minFreeBytes, freeBytesOf, clock, signal, onAlmostFull } = watch;
  while (!signal.aborted) {
    const reason = await almostFull(folder, minFreeBytes, freeBytesOf);
    if (reason !== undefined && !signal.aborted) return onAlmostFull(reason);
    await clock.sleep(everyMs, signal);
  }
}

/** Why there is too little free space, or undefined when there is enough (or nobody knows). */
export async function almostFull(
  folder: string,
  minFreeBytes: number,
  freeBytesOf: FreeBytes,
): Promise<string | undefined> {
  const freeBytes = await freeBytesOf(folder);
  if (freeBytes === undefined || freeBytes >= minFreeBytes) return undefined;
  return `the disk is almost full: ${formatBytes(freeBytes)} are free for ${folder}, and ${formatBytes(minFreeBytes)} must stay free`;
}
