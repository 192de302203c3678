import { readFileSync } from 'node:fs';

// What a process costs, by the kernel's own account (proc(5)). USER_HZ is 100 on every Linux that Node runs on.

/** CPU seconds, of the program and of the kernel for it, since it began. */
export function cpuSecondsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Memory in KiB that would be free without it: what it has alone, and its part of what it shares. */
export function ownMemoryOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0);
}

/** What the kernel says may still be used, in KiB. */
export function freeMemory(): number {
  return Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1] ?? 0);
}

/** Memory in KiB: what is resident now, and the most that ever was. */
export function memoryOf(pid: number): { nowKib: number; peakKib: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { nowKib: field('VmRSS'), peakKib: field('VmHWM') };
}
