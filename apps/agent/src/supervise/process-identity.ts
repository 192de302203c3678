import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

// A pid alone names no process: it is used again. A pid with the moment the process started does, and with the
// boot it belongs to, over restarts of the machine too.

let bootId: string | undefined;

/** The start of a live process, comparable as text; undefined when there is no such process or it is a zombie. */
export function identityOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = readStat(pid);
    return stat && isLive(stat.state) ? `${currentBoot()}:${stat.startTicks}` : undefined;
  }
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5_000,
    }).trim();
    return started === '' ? undefined : started;
  } catch {
    return undefined;
  }
}

/** Whether any live process is in the group; a group outlives its leader while it has members. */
export function groupIsAlive(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (thrown) {
    return (thrown as { code?: string }).code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  // Zombies that nobody reaps (pid 1 of a bare container) still answer signal 0.
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    const stat = readStat(Number(name));
    return stat !== undefined && stat.group === group && isLive(stat.state);
  });
}

/** Whether a process was started with this environment variable; undefined where that cannot be seen. */
export function startedWith(pid: number, variable: string, value: string): boolean | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${variable}=${value}`);
  } catch {
    return undefined;
  }
}

/** Whether an identity was taken since the machine last booted (always true where boots have no id). */
export function isOfThisBoot(identity: string): boolean {
  return process.platform !== 'linux' || identity.startsWith(`${currentBoot()}:`);
}

function currentBoot(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().slice(0, 8);
  return bootId;
}

/** Fields 3, 5 and 22 of /proc/<pid>/stat (proc(5)); the name before them may hold spaces and parentheses. */
function readStat(pid: number): { state: string; group: number; startTicks: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? 'X', group: Number(fields[2]), startTicks: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

const isLive = (state: string): boolean => state !== 'Z' && state !== 'X';
