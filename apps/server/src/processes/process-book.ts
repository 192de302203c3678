import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isGroupOf, signalGroup } from '@starling/host/process-group.ts';
import { markOf, parseMark } from '@starling/host/process-mark.ts';

// The process groups that a worker has started and that would outlive it if it were killed. Each has a file of its
// own; a worker that starts finds the files of its predecessor and ends what still runs.

export interface ProcessBook {
  /** Notes a group by its leader, which must be running; the returned function strikes it out again. */
  enter(leader: number): Promise<() => Promise<void>>;
}

export function openProcessBook(folder: string): ProcessBook {
  return {
    async enter(leader) {
      const file = join(folder, String(leader));
      const mark = markOf(leader);
      if (!mark) return async () => {};
      await writeFile(file, JSON.stringify(mark));
      return () => rm(file, { force: true });
    },
  };
}

/** Kills every group that an earlier worker noted in this folder and that is still there. Returns how many were. */
export async function endNotedGroups(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  let ended = 0;
  for (const name of await readdir(folder)) {
    // No mark when it was half written by a killed worker, whose recipe had not begun then.
    const mark = parseMark(await readFile(join(folder, name), 'utf8').catch(() => ''));
    if (mark?.host === hostname() && isGroupOf(mark) && signalGroup(mark.pid, 'SIGKILL')) ended += 1;
    await rm(join(folder, name), { force: true });
  }
  return ended;
}
