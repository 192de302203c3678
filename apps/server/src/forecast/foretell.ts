import type { BuildManifest } from '@starling/packs/manifest.ts';
import { planUpdate } from '@starling/packs/plan.ts';
import type { Forecast, ForecastWave } from '@starling/shared/forecast.ts';
import { smallFetchBytes } from '@starling/shared/hub-protocol.ts';
import { seededRandom } from '@starling/shared/seeded-random.ts';
import { pieceLengthFor } from '@starling/swarm/torrent-info.ts';
import { type HostSetting, simulate, usualTimings } from './simulate.ts';

// How long a deployment takes, worked out from what is known of it. A pure function but for the clock that bounds how long it
// simulates: it runs in a thread of its own.

/** Machines of one region that run the same build now. */
export interface BaseGroup {
  build: string | null;
  machines: number;
}

export interface KnownRegion {
  region: string;
  bases: BaseGroup[];
  racks: number;
  /** What an earlier deployment measured; undefined when none did. */
  bytesPerSecond: number | undefined;
}

export interface KnownDeployment {
  build: string;
  /** Undefined when its bytes are not to be had: then what its pack takes is all there is to go by. */
  target: BuildManifest | undefined;
  /** The manifests of builds that machines run, by build id. */
  bases: ReadonlyMap<string, { manifest: BuildManifest; digest: string }>;
  /** Manifests of the builds before the target, by digest. */
  ancestors: ReadonlyMap<string, BuildManifest>;
  packBytes: number;
  streamBytes: number;
  regions: KnownRegion[];
  waves: { wave: number; bakeMs: number; regions: { region: string; machines: number }[] }[];
  /** What machines took from fetched to confirmed in the last deployments; undefined when none was measured. */
  installMs: number | undefined;
  minHealthyMs: number;
  checksAreMeasured: boolean;
}

/** 1 Gbit/s, and what Ethernet, IP and TCP leave of it. */
const assumedBytesPerSecond = (1e9 / 8) * 0.94;
const assumedWriteBytesPerSecond = 150e6;
const assumedStartMs = 3_000;
/** From the key's change until the last machine was told. */
const tellMs = 1_000;
/**
 * Larger swarms are extrapolated: twice the machines are one hop more. Many pieces among few hosts come closer to the whole
 * than few pieces among many, as each hop takes the time of a piece.
 */
const mostHosts = 32;
const mostPieces = 256;

/** `budgetMs` is for working out what machines lack, beyond the most common build, and again for simulating. */
export function foretell(known: KnownDeployment, budgetMs: number, elapsedMs: () => number): Forecast {
  const assumptions: string[] = [];
  const assume = (sentence: string) => {
    if (!assumptions.includes(sentence)) assumptions.push(sentence);
  };
  const groups = [
    ...Map.groupBy(
      known.regions.flatMap(({ bases }) => bases),
      ({ build }) => build,
    ),
  ]
    .map(([build, of]) => ({ build, machines: of.reduce((sum, { machines }) => sum + machines, 0) }))
    .toSorted((a, b) => b.machines - a.machines);
  const bytesOf = bytesByBase(known, assume, () => elapsedMs() < budgetMs);
  // What most machines run first, in case that there is no time for all.
  const bases = groups.map(({ build, machines }) => ({ build, machines, bytesEach: bytesOf(build) }));
  const plannedAt = elapsedMs();
  const swarms = new Map<string, { ms: number; seedCopies: number }>();
  const regions = known.regions.map(({ region, bases, bytesPerSecond }) => {
    if (bytesPerSecond === undefined)
      assume('Where no deployment has measured it, a machine, and the hub, send and receive 1 Gbit/s.');
    return {
      region,
      machines: bases.reduce((sum, { machines }) => sum + machines, 0),
      bytes: bases.reduce((sum, { build, machines }) => sum + machines * bytesOf(build), 0),
      bytesPerSecond: Math.round(bytesPerSecond ?? assumedBytesPerSecond),
      isMeasured: bytesPerSecond !== undefined,
    };
  });
  const installMs = Math.round(known.installMs ?? assumedInstall(known, assume));
  let hubBytes = 0;
  const waves = known.waves.map(({ wave, bakeMs, regions: reached }): ForecastWave => {
    let fetchMs = 0;
    let slowestRegion: string | null = null;
    for (const { region, machines } of reached) {
      const took = fetchIn(region, machines);
      if (took.ms > fetchMs) [fetchMs, slowestRegion] = [took.ms, region];
      hubBytes += took.hubBytes;
    }
    const machines = reached.reduce((sum, one) => sum + one.machines, 0);
    return { wave, machines, fetchMs, installMs: machines === 0 ? 0 : installMs, bakeMs, slowestRegion };
  });
  if (known.checksAreMeasured) assume('What its checks take before a wave begins is not counted.');
  const totalMs = waves.reduce((sum, wave) => sum + tellMs + wave.fetchMs + wave.installMs + wave.bakeMs, 0);
  return {
    totalMs: Math.round(totalMs),
    machines: regions.reduce((sum, { machines }) => sum + machines, 0),
    bytes: regions.reduce((sum, { bytes }) => sum + bytes, 0),
    hubBytes: Math.round(hubBytes),
    waves,
    regions,
    bases,
    assumptions,
  };

  /** The machines that a wave adds in a region are taken to be as all of it are. */
  function fetchIn(name: string, machines: number): { ms: number; hubBytes: number } {
    const region = known.regions.find((one) => one.region === name);
    const all = region?.bases.reduce((sum, group) => sum + group.machines, 0) ?? 0;
    if (!region || all === 0) return { ms: 0, hubBytes: 0 };
    const rate = region.bytesPerSecond ?? assumedBytesPerSecond;
    let [ms, sent] = [0, 0];
    for (const { build, machines: ofGroup } of region.bases) {
      const bytes = bytesOf(build);
      const count = Math.max(1, Math.round((machines * ofGroup) / all));
      if (bytes === 0) continue;
      if (bytes <= smallFetchBytes) {
        ms = Math.max(ms, (count * bytes * 1_000) / rate);
        sent += count * bytes;
        continue;
      }
      // The hub pulls what it lacks, from its region's store, before anybody has it.
      const pullMs = (bytes / assumedBytesPerSecond) * 1_000;
      const swarm = swarmOf(bytes, count, rate, Math.min(region.racks, count));
      ms = Math.max(ms, pullMs + swarm.ms);
      sent += swarm.seedCopies * bytes;
    }
    return { ms: Math.round(ms), hubBytes: sent };
  }

  function swarmOf(bytes: number, machines: number, rate: number, racks: number) {
    const hosts = Math.min(machines, mostHosts);
    const perRack = racks > 1 ? Math.min(Math.ceil(machines / racks), Math.ceil(hosts / 2)) : 0;
    const hopsMs = Math.log2(machines / hosts) * (pieceLengthFor(bytes) / rate) * 1_000;
    const { ms, seedCopies } = sampleOf(bytes, hosts, rate, perRack);
    return { ms: ms + hopsMs, seedCopies };
  }

  function sampleOf(bytes: number, hosts: number, rate: number, perRack: number) {
    const key = [bytes, hosts, rate, perRack].join();
    const found = swarms.get(key);
    if (found) return found;
    const pieceLength = Math.max(pieceLengthFor(bytes), Math.ceil(bytes / mostPieces));
    const boundMs = (bytes / rate) * 1_000;
    let swarm = { ms: boundMs * 1.25, seedCopies: 1.2 };
    if (elapsedMs() - plannedAt < budgetMs) {
      const settings = Array.from(
        { length: hosts + 1 },
        (_, index): HostSetting => ({
          rate,
          rack: index === 0 || perRack === 0 ? undefined : `rack-${Math.floor((index - 1) / perRack)}`,
          startAt: 0,
        }),
      );
      const outcome = simulate({
        ...{
          ...usualTimings,
          sizeBytes: bytes,
          pieceLength,
          payloadShare: 1,
          hosts: settings,
          random: seededRandom(7),
        },
      });
      const seconds = outcome.seconds.slice(1).flatMap((one) => (one === undefined ? [] : [one]));
      if (seconds.length > 0) swarm = { ms: Math.max(...seconds) * 1_000, seedCopies: outcome.seedCopies };
    } else {
      assume('Some swarms were not simulated for want of time: they are taken for a quarter slower than the best.');
    }
    swarms.set(key, swarm);
    return swarm;
  }
}

/** What a machine that runs a build fetches: by the same plan that it makes itself. */
function bytesByBase(
  known: KnownDeployment,
  assume: (sentence: string) => void,
  isTime: () => boolean,
): (build: string | null) => number {
  const planned = new Map<string | null, number>();
  const { target, ancestors, bases } = known;
  let most: number | undefined;
  return (build) => {
    const before = planned.get(build);
    if (before !== undefined) return before;
    const bytes = build === known.build ? 0 : plan(build);
    planned.set(build, bytes);
    return bytes;
  };

  function plan(build: string | null): number {
    if (!target) {
      assume('The manifest could not be read; machines are taken to fetch what its own pack has.');
      return known.packBytes;
    }
    if (most !== undefined && build !== null && !isTime()) {
      assume('What machines with less common builds lack was not worked out: they are taken to lack as much as most.');
      return most;
    }
    const base = build === null ? undefined : bases.get(build);
    if (build !== null && !base)
      assume('What some machines run is not known any more, or run by few: they are taken to fetch everything.');
    const ancestorsAndBase = new Map(ancestors);
    if (base) ancestorsAndBase.set(base.digest, base.manifest);
    const { bytesToFetch } = planUpdate({
      target,
      ancestors: ancestorsAndBase,
      bases: base ? [{ name: build!, chunks: base.manifest.chunks, manifestDigest: base.digest }] : [],
    });
    if (base) most ??= bytesToFetch;
    return bytesToFetch;
  }
}

function assumedInstall({ streamBytes, minHealthyMs }: KnownDeployment, assume: (sentence: string) => void): number {
  assume('No deployment has measured it: a slot is written at 150 MB/s, stop and start take 3 s.');
  return (streamBytes / assumedWriteBytesPerSecond) * 1_000 + assumedStartMs + minHealthyMs;
}
