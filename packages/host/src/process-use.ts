import { readdirSync, readFileSync } from 'node:fs';
import { hasProc, processStat } from './process-mark.ts';

/** What a process and all that it started use at this moment. */
export interface ProcessUse {
  pids: number[];
  /** Memory that is theirs, swapped out or not: what they allocated, not the files that they map. In bytes. */
  memoryBytes: number;
  /** Processes and their threads, as the kernel counts tasks. */
  tasks: number;
}

/**
 * What is used by the live processes of a leader's session and group, and by what descends from one of them: a program
 * that began a session of its own belongs to it as long as its parent lives. Undefined where the system does not tell.
 */
export function useOf(leader: number): ProcessUse | undefined {
  if (!hasProc) return undefined;
  const pids: number[] = [];
  const children = new Map<number, number[]>();
  const threads = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const stat = processStat(pid);
    if (!stat?.isLive) continue;
    threads.set(pid, stat.threads);
    if (pid === leader || stat.session === leader || stat.group === leader) pids.push(pid);
    else children.set(stat.parent, [...(children.get(stat.parent) ?? []), pid]);
  }
  // Grows while it is gone through: children of children too.
  for (const pid of pids) pids.push(...(children.get(pid) ?? []));
  const tasks = pids.reduce((total, pid) => total + (threads.get(pid) ?? 0), 0);
  return { pids, memoryBytes: pids.reduce((total, pid) => total + memoryOf(pid), 0), tasks };
}

/**
 * The same memory with what processes share counted once: a process that forked shares pages with its children until one
 * of them writes. Takes the kernel long for large processes, so it is for when the quick count is above a limit.
 */
export function sharedMemoryOf({ pids }: ProcessUse): number {
  return pids.reduce((total, pid) => total + (proportionalMemoryOf(pid) ?? memoryOf(pid)), 0);
}

/** Of /proc/<pid>/status; 0 when the process is gone. */
function memoryOf(pid: number): number {
  return sumOf(`/proc/${pid}/status`, /^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$/gm) ?? 0;
}

/** Only the process's own user and root may read it. */
function proportionalMemoryOf(pid: number): number | undefined {
  return sumOf(`/proc/${pid}/smaps_rollup`, /^(?:Pss_Anon|Pss_Shmem|SwapPss):\s+(\d+) kB$/gm);
}

/** In bytes, of fields in kB; undefined when the file cannot be read or has none of them. */
function sumOf(file: string, fields: RegExp): number | undefined {
  try {
    const found = [...readFileSync(file, 'latin1').matchAll(fields)];
    return found.length === 0 ? undefined : found.reduce((total, [, kib]) => total + Number(kib) * 1024, 0);
  } catch {
    return undefined;
  }
}
