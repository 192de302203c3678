import { closeSync, constants, fchmodSync, fstatSync, fsyncSync, ftruncateSync, openSync } from 'node:fs';

export interface FilesJob {
  /** Where each is, how long it is to be, and whether it can be executed. */
  files: { path: string; sizeBytes: number; executable: boolean }[];
}

/** A job of threads: makes files at their full sizes, with zeros; those that are there keep what they have. */
export function makeFiles({ files }: FilesJob): { isDone: true } {
  for (const { path, sizeBytes, executable } of files) {
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      // The mode given to open is cut by the umask; the program may run as another user.
      fchmodSync(file, executable ? 0o755 : 0o644);
      if (fstatSync(file).size !== sizeBytes) ftruncateSync(file, sizeBytes);
    } finally {
      closeSync(file);
    }
  }
  return { isDone: true };
}

/** A job of threads: what was written to files survives a power cut after this. */
export function syncFiles({ files }: FilesJob): { isDone: true } {
  for (const { path } of files) {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
  return { isDone: true };
}
