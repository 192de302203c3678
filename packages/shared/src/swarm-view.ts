import { z } from 'zod';
import { formatBytes, formatDuration } from './durations.ts';
import { machineId, projectName } from './words.ts';

// What is seen of a swarm while a deployment moves bytes. Machines say a few numbers each second; a hub folds those of its
// machines into one view of bounded size for each deployment; control adds up the views of the hubs.

/** Where bytes of a build come from: other machines, the hub as a member of the swarm, the hub over HTTP, slots on the machine. */
export const byteSources = ['peers', 'hub', 'http', 'base'] as const;
export type ByteSource = (typeof byteSources)[number];

const count = z.number().int().nonnegative();
const sources = z.object({ peers: count, hub: count, http: count, base: count });
export type SourceBytes = z.infer<typeof sources>;
export const noBytes: SourceBytes = { peers: 0, hub: 0, http: 0, base: 0 };

/** What a machine says of a fetch besides how far it is. */
export const fetchAccount = z.object({
  sources,
  /** Members of the swarm that it may ask; of these, those with something that it lacks. */
  lanes: count,
  useful: count,
  /** Pieces that it asked for and that are not here. */
  asked: count,
  /** Pieces that came with wrong bytes. */
  wrongPieces: count,
  /** 0 to 1: of the time since it last said so, how long it was checking and writing pieces. */
  diskShare: z.number().min(0).max(1),
  /** Milliseconds since a byte came. */
  stillMs: count,
});
export type FetchAccount = z.infer<typeof fetchAccount>;

/** Why a machine is slow, the first that holds in the order of `whySlow`. */
export const slowReasons = [
  'HASH_FAILURES',
  'NO_PEER',
  'NOBODY_HAS_IT',
  'SLOW_DISK',
  'WAITING_TURN',
  'SLOW_UPLINK',
  'SLOW_LINK',
  'ON_ITS_WAY',
  'NOT_TOLD',
] as const;
export type SlowReason = (typeof slowReasons)[number];

/** Shares of machines, in tenths: the first counts those with less than a tenth, the last those that have everything. */
export const shareSteps = 11;
const shares = z.array(count).length(shareSteps);
export const mostSlowest = 20;
export const mostRacks = 64;
export const mostViews = 32;
/** What machines say that carry no rack label. */
export const noRack = '';

export const slowMachine = z.object({
  machine: machineId,
  rack: z.string().max(255),
  bytesDone: count,
  bytesTotal: count,
  bytesPerSecond: count,
  reason: z.enum(slowReasons),
  /** Null from agents that do not say it. */
  account: fetchAccount.nullable(),
});
export type SlowMachine = z.infer<typeof slowMachine>;

/** One deployment as one hub sees it. Of bounded size, however many machines there are. */
export const swarmView = z.object({
  project: projectName,
  deployment: z.number().int().positive(),
  /** Machines that said something of their fetch, by how much they have. */
  shares,
  /** The same by rack, those that are least complete first; racks beyond the limit are left out and counted. */
  racks: z.array(z.object({ rack: z.string().max(255), shares, bytesPerSecond: count })).max(mostRacks),
  racksLeftOut: count,
  bytesDone: count,
  bytesTotal: count,
  /** Of all machines together, now. */
  bytesPerSecond: count,
  sources,
  wrongPieces: count,
  /** Of the machines that are not done, those with the most time to go. */
  slowest: z.array(slowMachine).max(mostSlowest),
  /** Of machines that fetched enough to tell: how many, and their mean rates: the median, and one that a tenth surpass. */
  measured: z.object({ machines: count, medianBytesPerSecond: count, fastBytesPerSecond: count, medianMs: count }),
});
export type SwarmView = z.infer<typeof swarmView>;

/** The tenth that a machine is counted in; everything there is of nothing to fetch. */
export function shareStep(bytesDone: number, bytesTotal: number): number {
  if (bytesDone >= bytesTotal) return shareSteps - 1;
  return Math.min(shareSteps - 2, Math.floor((bytesDone / bytesTotal) * 10));
}

export interface FetchNow {
  bytesPerSecond: number;
  account: FetchAccount | null;
}

const wrongPiecesToTell = 3;
const stillAfterMs = 3_000;
const busyDiskShare = 0.85;
const slowShare = 0.6;

/**
 * Why a machine that fetches is slow, from what it says; `usualBytesPerSecond` is what the machines around it reach, undefined
 * when nobody knows. A pure function, in the order in which the reasons rule each other out: wrong bytes are fetched again
 * whatever else holds; without a source nothing else matters; then what is its own doing, then what is others'.
 */
export function whySlow({ bytesPerSecond, account }: FetchNow, usualBytesPerSecond: number | undefined): SlowReason {
  if (!account) return 'NOT_TOLD';
  const { lanes, useful, asked, wrongPieces, diskShare, stillMs } = account;
  const isStill = stillMs >= stillAfterMs;
  const isSlow = usualBytesPerSecond !== undefined && bytesPerSecond < usualBytesPerSecond * slowShare;
  if (wrongPieces >= wrongPiecesToTell) return 'HASH_FAILURES';
  if (lanes === 0 && (isStill || bytesPerSecond === 0)) return 'NO_PEER';
  if (useful === 0 && isStill) return 'NOBODY_HAS_IT';
  if (diskShare >= busyDiskShare && (isSlow || isStill)) return 'SLOW_DISK';
  if (isStill || asked === 0) return 'WAITING_TURN';
  if (!isSlow) return 'ON_ITS_WAY';
  return useful <= 1 ? 'SLOW_UPLINK' : 'SLOW_LINK';
}

/** What it is in a few words, for a table. */
export const slowReasonTitles: Record<SlowReason, string> = {
  HASH_FAILURES: 'wrong bytes',
  NO_PEER: 'no peer',
  NOBODY_HAS_IT: 'nobody has it',
  SLOW_DISK: 'slow disk',
  WAITING_TURN: 'waiting for its turn',
  SLOW_UPLINK: 'slow uplink of its source',
  SLOW_LINK: 'slow link',
  ON_ITS_WAY: 'on its way',
  NOT_TOLD: 'not told',
};

/** The reason, and what it would take, as one or two sentences. */
export function describeSlow(reason: SlowReason, account: FetchAccount | null): string {
  const { lanes = 0, useful = 0, asked = 0, wrongPieces = 0, diskShare = 0, stillMs = 0 } = account ?? {};
  const still = formatDuration(stillMs);
  switch (reason) {
    case 'HASH_FAILURES':
      return `${wrongPieces} pieces came with wrong bytes and are fetched again. Its log names who sent them; look at that machine's memory and disk.`;
    case 'NO_PEER':
      return 'It is connected to no member of the swarm, not even the hub. Let its network reach the swarm ports of the hub and of other machines.';
    case 'NOBODY_HAS_IT':
      return `None of the ${lanes} members it is connected to has what it lacks, for ${still}. Look whether its hub has pulled the pack.`;
    case 'SLOW_DISK':
      return `It spends ${Math.round(diskShare * 100)} % of the time checking and writing what came. A quicker disk, or less other work on it, would help.`;
    case 'WAITING_TURN':
      return `It waits for its turn: ${asked} pieces asked for of ${useful} members, none came for ${still}. More machines with free uplinks would help.`;
    case 'SLOW_UPLINK':
      return 'Only one member has what it lacks, and sends slowly. It goes faster when others get these pieces too.';
    case 'SLOW_LINK':
      return `Pieces come slowly from all of the ${useful} members that it asks, so its own link is the likely limit.`;
    case 'ON_ITS_WAY':
      return 'Nothing holds it up: it is as fast as the machines around it.';
    case 'NOT_TOLD':
      return 'Its agent does not say more. A newer agent does.';
  }
}

/** `1.2 GiB of other machines, 30.0 MiB of the hub`: where bytes came from, the most first. */
export function describeSources(from: SourceBytes): string {
  const words: Record<ByteSource, string> = {
    peers: 'from other machines',
    hub: 'from the hub in the swarm',
    http: 'from the hub over HTTP',
    base: 'from slots on the machine',
  };
  return byteSources
    .filter((source) => from[source] > 0)
    .toSorted((a, b) => from[b] - from[a])
    .map((source) => `${formatBytes(from[source])} ${words[source]}`)
    .join(', ');
}

export const addSources = (a: SourceBytes, b: SourceBytes): SourceBytes => ({
  peers: a.peers + b.peers,
  hub: a.hub + b.hub,
  http: a.http + b.http,
  base: a.base + b.base,
});
