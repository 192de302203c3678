import type { StreamFile } from '@starling/packs/file-stream.ts';
import { freeAll } from '@starling/packs/free-buffers.ts';
import { type Base, type Plan, planUpdate } from '@starling/packs/plan.ts';
import type { FetchRanges } from '@starling/packs/ranges.ts';
import type { Manifest } from '@starling/packs/signed-manifest.ts';
import type { Clock } from '@starling/shared/clock.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import type { ByteRange } from '@starling/swarm/swarm.ts';
import { packOf } from '@starling/swarm/torrent-info.ts';
import { throwIfAborted, untilAborted } from '../lib/abort.ts';
import { accountOf, type SourceAccount } from './account.ts';
import type { HubBytes } from './hub-bytes.ts';
import type { PackSwarms, WantedPack } from './pack-swarms.ts';

// How a machine comes by the parts of a build: it says what it has (bases), plans what it lacks, and fetches that, small
// parts straight from the hub and larger ones from the swarm. Putting them together is `SlotStore.fill`.

/** A tree on this machine whose chunks are known. */
export interface BaseTree {
  name: string;
  chunks: Base['chunks'];
  files: readonly StreamFile[];
  /** Of the build that it is; undefined for an unmanaged copy. */
  manifest?: Manifest;
}

/** All that is needed to make a tree: it is on this machine now. */
export interface PreparedUpdate {
  plan: Plan;
  bases: ReadonlyMap<string, readonly StreamFile[]>;
  /** Where the fetched ranges of each pack are. */
  packFiles: ReadonlyMap<string, string>;
}

export interface UpdateTools {
  project: string;
  packs: PackSwarms;
  clock: Clock;
  hub: Pick<HubBytes, 'ancestor' | 'knowsPack' | 'ranges'>;
  /** As much of a pack as this comes straight from the hub. */
  smallFetchBytes: number;
  /** Checks the manifest of an ancestor; undefined when it is not to be trusted. */
  checkAncestor: (bytes: Uint8Array, expected: { build: string; digest: string }) => Manifest | undefined;
}

export interface UpdateRequest {
  manifest: Manifest;
  bases: readonly BaseTree[];
  /** Chunks of bases that are not what they were: `<base>:<start>`. */
  damaged: ReadonlySet<string>;
  /** Packs that are served meanwhile. */
  served: readonly Pack[];
  /** Told of the plan before anything is fetched; what it throws ends it. */
  onPlan?: (plan: Plan) => Promise<void>;
  /** Told how many bytes of how many are here. */
  onProgress?: (progress: () => FetchedBytes) => void;
}

export interface FetchedBytes {
  bytesDone: number;
  bytesTotal: number;
  bytesPerSecond: number;
  peers: number;
  account: SourceAccount;
}

const askAgainEveryMs = 10_000;
const manyChunks = 10_000;

/** Manifests of the builds that lie between a base and the target, as far as the hub has them. */
export async function ancestorsOf(
  { hub, checkAncestor }: UpdateTools,
  manifest: Manifest,
  bases: readonly BaseTree[],
  signal: AbortSignal,
): Promise<Map<string, Manifest>> {
  const found = new Map<string, Manifest>();
  for (const base of bases) if (base.manifest) found.set(base.manifest.digest, base.manifest);
  const nearest = manifest.ancestors.findIndex(({ manifestDigest }) => found.has(manifestDigest));
  // What no base is among the ancestors of is not made from patches.
  for (const { build, manifestDigest: digest } of manifest.ancestors.slice(0, Math.max(0, nearest))) {
    const bytes = await hub.ancestor(digest, signal);
    const ancestor = bytes && checkAncestor(bytes, { build, digest });
    if (ancestor) found.set(digest, ancestor);
  }
  return found;
}

/**
 * Plans, and fetches what is planned. A pack that the hub does not know (any more) is planned around; the target's own packs
 * are waited for. Done again after a kill, it finds what is there.
 */
export async function prepareUpdate(
  tools: UpdateTools,
  request: UpdateRequest,
  signal: AbortSignal,
): Promise<PreparedUpdate> {
  const { manifest, bases, damaged, onPlan } = request;
  const ancestors = await ancestorsOf(tools, manifest, bases, signal);
  throwIfAborted(signal);
  const listed = new Map(
    [...ancestors.values(), manifest].flatMap(({ packs }) => packs.map((pack) => [pack.digest, pack] as const)),
  );
  const own = new Set(manifest.packs.map(({ digest }) => digest));
  const gone = new Set<string>();
  // Planning 10 GiB leaves some 90 MB behind, and threads that take as much come next.
  const collect = manifest.chunks.length > manyChunks ? freeAll : () => {};
  for (;;) {
    const plan = planUpdate({
      target: manifest,
      ancestors,
      bases: bases.map(({ name, chunks, manifest: of }) => ({
        name,
        chunks,
        ...(of && { manifestDigest: of.digest }),
      })),
      damaged,
      hasPack: (digest) => !gone.has(digest),
      onAttempt: collect,
    });
    collect();
    await onPlan?.(plan);
    throwIfAborted(signal);
    for (const { pack } of plan.fetch) {
      if (!own.has(pack) && !(await tools.hub.knowsPack(pack, signal))) gone.add(pack);
      throwIfAborted(signal);
    }
    if (plan.fetch.some(({ pack }) => gone.has(pack))) continue;
    const packOfDigest = (digest: string) => packOf(listed.get(digest)!);
    const packFiles = await fetchPlanned(tools, plan, request, packOfDigest, own, signal);
    if (!(packFiles instanceof Map)) {
      gone.add(packFiles.gone);
      continue;
    }
    return { plan, packFiles, bases: new Map(bases.map(({ name, files }) => [name, files])) };
  }
}

async function fetchPlanned(
  tools: UpdateTools,
  plan: Plan,
  { served, onProgress }: UpdateRequest,
  packOfDigest: (digest: string) => Pack,
  own: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Map<string, string> | { gone: string }> {
  const { clock, hub, packs, project, smallFetchBytes } = tools;
  const files = new Map<string, string>();
  const small: FetchRanges[] = [];
  const large: WantedPack[] = [];
  for (const fetch of plan.fetch) {
    const isSmall = bytesOf(fetch) <= smallFetchBytes;
    files.set(fetch.pack, isSmall ? packs.rangesPath(fetch.pack) : packs.path(fetch.pack));
    if (isSmall) small.push(fetch);
    else
      large.push({
        pack: packOfDigest(fetch.pack),
        ranges: fetch.ranges.map(({ start, end }): ByteRange => [start, end]),
      });
  }
  let smallDone = 0;
  const smallTotal = small.reduce((sum, fetch) => sum + bytesOf(fetch), 0);
  const largeNames = new Set(large.map(({ pack }) => pack.sha256));
  // The hub pulls what it is asked for.
  const ask = () => Promise.all([...largeNames].map((sha256) => hub.knowsPack(sha256, signal)));
  await ask();
  throwIfAborted(signal);
  await untilAborted(
    packs.holdOnly(
      project,
      large,
      served.filter(({ sha256 }) => !largeNames.has(sha256)),
    ),
    signal,
  );
  const memberships = large.map(({ pack }) => packs.membership(pack));
  onProgress?.(() => {
    const sum: FetchedBytes = {
      ...{ bytesDone: smallDone, bytesTotal: smallTotal, bytesPerSecond: 0, peers: 0 },
      account: accountOf(memberships, packs.hub, { http: smallDone, base: plan.bytesFromBases }),
    };
    for (const membership of memberships) {
      const { bytesDone, bytesTotal, bytesPerSecond, peers } = membership?.progress() ?? nothing;
      sum.bytesDone += bytesDone;
      sum.bytesTotal += bytesTotal;
      sum.bytesPerSecond += bytesPerSecond;
      sum.peers += peers;
    }
    return sum;
  });
  for (const { pack, ranges } of small) {
    const onBytes = (count: number) => {
      smallDone += count;
    };
    const options = { onBytes, endsUnknown: !own.has(pack) };
    if (!(await hub.ranges(pack, ranges, packs.rangesPath(pack), options, signal))) return { gone: pack };
  }
  const ended = new AbortController();
  const asking = askAgain(AbortSignal.any([signal, ended.signal]));
  try {
    for (const membership of memberships) {
      if (!membership) throw new Error('the swarm was left while it was joined');
      await untilAborted(membership.whenComplete(signal), signal);
    }
  } finally {
    ended.abort();
    await asking;
  }
  return files;

  /** A hub that was started anew, or let go of a pack, has to be asked again. */
  async function askAgain(working: AbortSignal): Promise<void> {
    while (largeNames.size > 0 && !working.aborted) {
      await clock.sleep(askAgainEveryMs, working);
      if (!working.aborted) await ask();
    }
  }
}

const nothing = { bytesDone: 0, bytesTotal: 0, bytesPerSecond: 0, peers: 0 };

export function bytesOf({ ranges }: FetchRanges): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}
