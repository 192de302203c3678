import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, markOf, type ProcessMark, processStat } from '../blobs/process-mark.ts';

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
      const mark = await markOf(leader);
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
    const mark = await readMark(join(folder, name));
    if (mark && (await isStillThere(mark)) && signalGroup(mark.pid, 'SIGKILL')) ended += 1;
    await rm(join(folder, name), { force: true });
  }
  return ended;
}

/** Sends a signal to a whole process group; false when the group is gone. */
export function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch (thrown) {
    // On some systems a group of nothing but zombies answers EPERM.
    if ((thrown as NodeJS.ErrnoException).code === 'EPERM') return signal !== 0;
    return false;
  }
}

async function readMark(file: string): Promise<ProcessMark | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as ProcessMark;
  } catch {
    return undefined; // Half written by a killed worker, whose recipe had not begun then.
  }
}

/**
 * Whether the group is the one that was noted. While a group has members, its leader's id is not given to a new
 * process; so without a process of that id the members are its own, and with one the start time decides.
 */
async function isStillThere(mark: ProcessMark): Promise<boolean> {
  // Without a start time there is no telling who has the id now.
  if (mark.started === '' || !Number.isInteger(mark.pid) || mark.pid < 2) return false;
  if (await isRunning(mark)) return true;
  const now = await markOf(mark.pid);
  if (now) return false;
  return (await currentlyBootedSince(mark)) && (await hasMembers(mark.pid));
}

async function currentlyBootedSince(mark: ProcessMark): Promise<boolean> {
  const self = await markOf(process.pid);
  return self !== undefined && self.host === mark.host && self.started.split('.')[0] === mark.started.split('.')[0];
}

async function hasMembers(group: number): Promise<boolean> {
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await processStat(Number(name));
    if (stat !== undefined && stat !== 'unknown' && stat.group === group && stat.state !== 'Z') return true;
  }
  return false;
}
