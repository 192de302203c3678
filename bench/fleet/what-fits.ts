import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';

// How many simulated agents this machine can carry, by its limits. Every connection is two sockets: one in the process of the
// hub, one in a process that plays its agents. The hub has one process, so its files are what counts; players may be many.

/** Files of a hub that are no agents' connections, with some to spare: a hub without agents was found to have 36. */
const otherFiles = 100;
/** What one hub is to carry: the aim that is measured. */
const aimPerHub = 20_000;
/** What a connection was found to take in all: at the hub, at the simulated agent, and in the kernel for two sockets. */
const kibPerAgent = 40;
const mibPerHub = 700;
const mibForServers = 1_500;

export interface Fit {
  agents: number;
  hubs: number;
  /** What keeps it from carrying all that were asked for; undefined when it carries them. */
  limit: string | undefined;
}

/** @param hubs how many there are to be; as few as carry the agents when left out */
export function whatFits(agents: number, hubs?: number): Fit {
  const files = numberIn('/proc/self/limits', /^Max open files\s+(\d+)/m, 1_024) - otherFiles;
  const perHub = Math.max(1, Math.min(files, aimPerHub));
  const mib = numberIn('/proc/meminfo', /^MemAvailable:\s+(\d+)/m, freemem() / 1024) / 1024;
  const wanted = hubs ?? Math.max(1, Math.ceil(agents / perHub));
  const byMemory = Math.max(1, Math.floor(((mib - mibForServers - wanted * mibPerHub) * 1024) / kibPerAgent));
  const fitting = Math.min(agents, wanted * perHub, byMemory);
  const limit =
    fitting === agents
      ? undefined
      : fitting === byMemory
        ? `${Math.round(mib)} MiB of memory are free`
        : `${wanted} hubs carry ${perHub} connections each (${files + otherFiles} open files are allowed)`;
  return { agents: fitting, hubs: wanted, limit };
}

function numberIn(file: string, pattern: RegExp, otherwise: number): number {
  try {
    return Number(pattern.exec(readFileSync(file, 'latin1'))?.[1] ?? otherwise);
  } catch {
    return otherwise;
  }
}
