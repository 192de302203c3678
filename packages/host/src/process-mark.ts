import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';

// A process id alone names no process: ids are used again. With the moment of its start, and the boot which that
// belongs to, it does, also after the process has ended or the host has booted again. All answers come at once: the
// files that they are read from are made up by the kernel.

export interface ProcessMark {
  host: string;
  pid: number;
  /** What `startOf` says of it; empty where the system does not tell. */
  started: string;
}

/** Whether the kernel tells of processes in files, as Linux does. */
export const hasProc = existsSync('/proc/self/stat');
let bootId: string | undefined;

/**
 * The start of a live process, comparable as text: `<boot>:<ticks>` where there is a /proc. Empty where the system
 * tells no more than that there is one; undefined when there is no such process or it is a zombie.
 */
export function startOf(pid: number): string | undefined {
  if (hasProc) {
    const stat = processStat(pid);
    return stat?.isLive ? `${currentBoot()}:${stat.startTicks}` : undefined;
  }
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      // The same text for whoever asks, whatever language and time zone it was given.
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5_000,
    }).trim();
    return started === '' ? undefined : started;
  } catch (thrown) {
    const foundNone = typeof (thrown as { status?: unknown }).status === 'number';
    return !foundNone && takesSignals(pid) ? '' : undefined;
  }
}

/** The mark of a running process; undefined when there is none with this id (or it is a zombie). */
export function markOf(pid: number): ProcessMark | undefined {
  const started = startOf(pid);
  return started === undefined ? undefined : { host: hostname(), pid, started };
}

/** The mark that was written down as JSON; undefined when the text is none. */
export function parseMark(text: string): ProcessMark | undefined {
  try {
    const { host, pid, started } = JSON.parse(text) as Record<keyof ProcessMark, unknown>;
    const isMark = typeof host === 'string' && Number.isInteger(pid) && typeof started === 'string';
    return isMark ? { host, pid: pid as number, started } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process that left this mark is running on this host; undefined when it is of another host. */
export function isRunning(mark: ProcessMark): boolean | undefined {
  return mark.host === hostname() ? startOf(mark.pid) === mark.started : undefined;
}

/** Whether a start was taken since the host last booted (always true where boots have no id). */
export function isOfThisBoot(started: string): boolean {
  return !hasProc || started.startsWith(`${currentBoot()}:`);
}

/** Whether a process was started with this environment variable; undefined where that cannot be seen. */
export function startedWith(pid: number, variable: string, value: string): boolean | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${variable}=${value}`);
  } catch {
    return undefined;
  }
}

/** What of /proc/<pid>/stat is asked for. */
export interface ProcessStat {
  isLive: boolean;
  parent: number;
  group: number;
  session: number;
  /** How many threads it has, the first one included. */
  threads: number;
  startTicks: string;
}

/** Fields 3 to 6, 20 and 22 of /proc/<pid>/stat (proc(5)); the name before them may hold spaces and parentheses. */
export function processStat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return {
      isLive: !['Z', 'X'].includes(fields[0] ?? 'X'),
      parent: Number(fields[1]),
      group: Number(fields[2]),
      session: Number(fields[3]),
      threads: Number(fields[17]),
      startTicks: fields[19] ?? '',
    };
  } catch {
    return undefined;
  }
}

/** Empty where boots have no id, as in some sandboxes. */
function currentBoot(): string {
  const file = '/proc/sys/kernel/random/boot_id';
  bootId ??= existsSync(file) ? readFileSync(file, 'utf8').slice(0, 8) : '';
  return bootId;
}

function takesSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}
