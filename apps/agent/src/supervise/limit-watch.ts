import { type ProcessUse, sharedMemoryOf, useOf } from '@starling/host/process-use.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import type { ProgramLimits } from '@starling/shared/lifecycle.ts';
import type { ProgramExit } from './program.ts';

// A shell can limit what each process takes of its address space, of which programs such as Node or Java reserve many times
// what they use, and how many processes a user has, but not root. So the agent looks itself at what a program takes with
// all that it started. It looks now and then: a program may be above its limit for as long as that. Under systemd the kernel
// holds the limits.

const lookEveryMs = 500;
/** A look costs more where a host has many processes; it may take a fiftieth of a core. */
const restsPerLook = 50;

/** Whether there is anything to look at; open files are limited by the kernel. */
export const isWatched = (limits: ProgramLimits | undefined): limits is ProgramLimits =>
  limits?.memoryBytes !== undefined || limits?.processes !== undefined;

/**
 * Which limit is broken, as how a program ended of it; undefined when none is. The figures come after it: the same failure
 * reads the same on all machines.
 */
export function brokenLimit(use: ProcessUse, { memoryBytes, processes }: ProgramLimits): ProgramExit | undefined {
  if (processes !== undefined && use.tasks > processes)
    return {
      text: `was ended for having more processes and threads than its limit of ${processes}`,
      remark: `had ${use.tasks} when it was looked at`,
    };
  if (memoryBytes === undefined || use.memoryBytes <= memoryBytes) return undefined;
  const used = use.pids.length === 1 ? use.memoryBytes : sharedMemoryOf(use);
  if (used <= memoryBytes) return undefined;
  return {
    text: `was ended for using more memory than its limit of ${formatBytes(memoryBytes)}`,
    remark: `used ${formatBytes(used)} when it was looked at`,
  };
}

/** How a program may be known and ended. */
export interface Watched {
  isAlive(): boolean;
  readonly pid: number;
  endFor(exit: ProgramExit, pids: readonly number[]): void;
}

/** Looks about every half a second what a program uses, and ends it when that is too much. Resolves when it has ended. */
export async function watchLimits(program: Watched, limits: ProgramLimits, clock: Clock, signal: AbortSignal) {
  while (!signal.aborted && program.isAlive()) {
    const from = clock.now();
    const use = useOf(program.pid);
    if (!use) return;
    const broken = brokenLimit(use, limits);
    if (broken !== undefined) program.endFor(broken, use.pids);
    await clock.sleep(Math.max(lookEveryMs, (clock.now() - from) * restsPerLook), signal);
  }
}
