import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

// Who made a file, so that another process can tell whether its maker is still at work. A process id alone does not
// say: ids are used again. Its start time, which Linux counts in ticks since the boot, makes it one of a kind.

export interface ProcessMark {
  host: string;
  pid: number;
  /** Boot and start time; empty where the system does not tell. */
  started: string;
}

let bootId: Promise<string> | undefined;

/** The mark of a running process; undefined when there is none with this id (or it is a zombie). */
export async function markOf(pid: number): Promise<ProcessMark | undefined> {
  const host = hostname();
  const stat = await processStat(pid);
  if (stat === 'unknown') return isSignalled(pid) ? { host, pid, started: '' } : undefined;
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { host, pid, started: `${await currentBoot()}.${stat.startTicks}` };
}

/** Whether the process that left this mark is running on this host; undefined when it is of another host. */
export async function isRunning(mark: ProcessMark): Promise<boolean | undefined> {
  if (mark.host !== hostname()) return undefined;
  const now = await markOf(mark.pid);
  return now !== undefined && now.started === mark.started;
}

/** The short name of the boot that the host is in, so that a start time of an earlier boot is never taken for one of now. */
export function currentBoot(): Promise<string> {
  bootId ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.slice(0, 8),
    () => '',
  );
  return bootId;
}

/** State, process group and start time of a process; `unknown` on a system without /proc. */
export async function processStat(
  pid: number | 'self',
): Promise<{ state: string; group: number; startTicks: string } | undefined | 'unknown'> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may itself have spaces and brackets.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', group: Number(fields[2]), startTicks: fields[19] ?? '' };
  } catch {
    return pid !== 'self' && (await processStat('self')) === 'unknown'
      ? 'unknown'
      : pid === 'self'
        ? 'unknown'
        : undefined;
  }
}

function isSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}
