import { readdirSync } from 'node:fs';
import { hasProc, isOfThisBoot, type ProcessMark, processStat, startOf } from './process-mark.ts';

/** Sends a signal to a whole process group; false when the group is gone. */
export function signalGroup(leader: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether any live process is in the group; a group outlives its leader while it has members. */
export function groupIsAlive(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (!hasProc) return true;
  // Zombies that nobody reaps (pid 1 of a bare container) still answer signal 0.
  return readdirSync('/proc').some((name) => {
    const stat = /^\d+$/.test(name) ? processStat(Number(name)) : undefined;
    return stat?.isLive === true && stat.group === group;
  });
}

/**
 * Whether anything is left of the group that this process of the host led. While a group has members its leader's id
 * is not given to a new process; so without a process of that id the members are its own, and with one the start
 * time decides.
 */
export function isGroupOf({ pid, started }: Pick<ProcessMark, 'pid' | 'started'>): boolean {
  // Without a start time there is no telling who has the id now.
  if (started === '' || pid < 2 || !isOfThisBoot(started)) return false;
  const now = startOf(pid);
  return now === undefined ? groupIsAlive(pid) : now === started;
}
