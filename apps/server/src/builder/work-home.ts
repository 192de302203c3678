import { execFile } from 'node:child_process';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { diskError } from '@starling/host/disk-error.ts';
import { tryLock } from '@starling/host/lock-file.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Logger } from '../lib/log.ts';
import { endNotedGroups, openProcessBook, type ProcessBook } from '../processes/process-book.ts';

// A worker's folder: `mirrors`, which workers of the same data directory share, and for each worker by name `work`,
// with one folder for each attempt, and `processes`. What a killed worker left there is cleared away by the next
// one of the same name.

export interface AttemptFolder {
  /** Where the commit is checked out. */
  checkout: string;
  /** The recipe's TMPDIR. */
  temporary: string;
  /** For the worker itself; nothing of the recipe's. */
  scratch: string;
  remove(): Promise<void>;
}

export interface WorkHome {
  mirrors: string;
  /** What is kept of earlier builds. */
  builds: string;
  /** Whose disk is watched. */
  work: string;
  processes: ProcessBook;
  openAttempt(name: string): Promise<AttemptFolder>;
  close(): Promise<void>;
}

/** CONFLICT when a running worker of the same name works in this data directory, UNAVAILABLE when it cannot be written to. */
export async function openWorkHome(dataDir: string, worker: string, log: Logger): Promise<WorkHome> {
  const home = join(resolve(dataDir), 'workers', worker.replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_'));
  const [work, processes, mirrors] = [join(home, 'work'), join(home, 'processes'), join(resolve(dataDir), 'mirrors')];
  const builds = join(home, 'builds');
  for (const folder of [work, processes, mirrors, builds])
    await mkdir(folder, { recursive: true }).catch((thrown) => {
      throw diskError(thrown, folder);
    });
  const unlock = await tryLock(join(home, 'lock'));
  if (!unlock)
    throw new StarlingError('CONFLICT', `a worker called ${worker} is running in ${dataDir} already`, {
      field: 'name',
      fix: 'Give each worker a name or a data directory of its own.',
    });
  const ended = await endNotedGroups(processes);
  const left = await readdir(work);
  for (const name of left) await removeTree(join(work, name));
  if (ended + left.length > 0)
    log.warn({ processGroups: ended, attempts: left.length }, 'cleared away what an earlier worker left');
  return {
    mirrors,
    builds,
    work,
    processes: openProcessBook(processes),
    async openAttempt(name) {
      const folder = join(work, name);
      await removeTree(folder);
      const [checkout, temporary, scratch] = [join(folder, 'checkout'), join(folder, 'tmp'), join(folder, 'scratch')];
      await mkdir(temporary, { recursive: true });
      await mkdir(scratch, { recursive: true, mode: 0o700 });
      return { checkout, temporary, scratch, remove: () => removeTree(folder) };
    },
    close: unlock,
  };
}

/** Some tools make their folders read-only, and nobody but root removes things from these. */
async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    await promisify(execFile)('chmod', ['-R', 'u+rwX', folder]);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
