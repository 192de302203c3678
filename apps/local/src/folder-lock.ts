import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, markOf, type ProcessMark } from '@starling/server/blobs/process-mark.ts';
import { StarlingError } from '@starling/shared/errors.ts';

export interface FolderLock {
  release(): Promise<void>;
}

/** Makes this process the only Starling on `folder`. CONFLICT when another is at work there; a dead one's lock is taken over. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, 'running');
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(JSON.stringify(await markOf(process.pid)));
      await file.close();
      return { release: () => rm(path, { force: true }) };
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    }
    const holder = await readMark(path);
    if (holder && (await isRunning(holder))) {
      throw new StarlingError('CONFLICT', `Starling is already running on ${folder} (process ${holder.pid})`, {
        field: 'STARLING_DATA',
        fix: 'Use that one, stop it first, or set STARLING_DATA to another folder.',
      });
    }
    await rm(path, { force: true });
  }
  throw new StarlingError('CONFLICT', `${path} could not be taken: another process is starting on the same folder`);
}

async function readMark(path: string): Promise<ProcessMark | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessMark;
  } catch {
    return undefined;
  }
}
