import { type BuildManifest, chunkStarts, chunksTouching } from './manifest.ts';
import { type FetchRanges, RangeSet } from './ranges.ts';

// How a machine gets a build, whatever it has: which ranges of which packs it fetches, and what each chunk is made of.
// A pure function. Every chunk can be had in full; a patch is taken where it, and what its reference lacks, is fewer
// bytes. References lead back from build to build, at most `maxChain` of them.

/** What a plan needs to know of a build; a manifest is one. */
export type PlannedBuild = Pick<BuildManifest, 'chunks' | 'patches' | 'packs' | 'ancestors'>;

/** A tree on this machine, as it was when it was indexed. */
export interface Base {
  /** The name of its stream. */
  name: string;
  /** They tile it. */
  chunks: readonly { digest: string; length: number }[];
  /** Of the build that it is; undefined for an unmanaged copy. */
  manifestDigest?: string;
}

export interface PlanRequest {
  target: PlannedBuild;
  /** Manifests of earlier builds, by digest: those that are not there are gone without. */
  ancestors?: ReadonlyMap<string, PlannedBuild>;
  bases: readonly Base[];
  /** Chunks of a base that were found damaged: `<base>:<start>`. */
  damaged?: ReadonlySet<string>;
  /** Whether a pack can still be fetched; yes by default. */
  hasPack?: (digest: string) => boolean;
  /** What one more range costs, in bytes that could be fetched meanwhile. */
  rangeCostBytes?: number;
  maxChain?: number;
  /** Called before each attempt at a plan: for 10 GiB each leaves some 20 MB behind, which may be collected. */
  onAttempt?: () => void;
}

/** Undefined in a plan for chunks that it does not need. */
export type Choice =
  | { kind: 'base'; base: string; start: number }
  | { kind: 'full' }
  | { kind: 'patch'; patch: number }
  /** As the same chunk of another build of the plan is made. */
  | { kind: 'same'; build: number; chunk: number };

export interface ChosenBuild {
  build: PlannedBuild;
  starts: Float64Array;
  choices: (Choice | undefined)[];
  /** Which build of the plan each ancestor is; undefined for those that are not used. */
  ancestors: (number | undefined)[];
}

export interface Plan {
  /** The target first. */
  builds: ChosenBuild[];
  fetch: FetchRanges[];
  bytesToFetch: number;
  /** Of the target's bytes, those that a base has as they are. */
  bytesFromBases: number;
  /** How many builds back the longest chain of patches goes. */
  chain: number;
}

const defaultRangeCostBytes = 32 * 1024;
const defaultMaxChain = 4;

/**
 * The cheapest plan among those with chains of at most 0, 1, … builds: full chunks alone, patches against what is there,
 * and chains. Throws when a pack is needed that cannot be fetched.
 */
export function planUpdate(request: PlanRequest): Plan {
  const rangeCostBytes = request.rangeCostBytes ?? defaultRangeCostBytes;
  let best: { plan: Plan; cost: number } | undefined;
  let impossible: unknown;
  const known: Known = { places: placesOf(request), chunksOf: new Map() };
  for (const isEager of [false, true]) {
    for (let chain = 0; chain <= (request.maxChain ?? defaultMaxChain); chain += 1) {
      request.onAttempt?.();
      try {
        const plan = new Planner(request, known, chain, isEager).plan();
        const ranges = plan.fetch.reduce((sum, fetch) => sum + fetch.ranges.length, 0);
        const cost = plan.bytesToFetch + ranges * rangeCostBytes;
        if (!best || cost < best.cost) best = { plan, cost };
        // Longer chains would change nothing.
        if (plan.chain < chain) break;
      } catch (thrown) {
        if (!(thrown instanceof Unfetchable)) throw thrown;
        impossible = thrown;
      }
    }
  }
  if (!best) throw impossible;
  return best.plan;
}

class Unfetchable extends Error {}

/** What all attempts at a plan share: of a large build each takes some 10 MB. */
interface Known {
  /** Where a base has a chunk, by the chunk's digest. */
  places: ReadonlyMap<string, Choice>;
  /** The chunks of a build by their digests. */
  chunksOf: Map<PlannedBuild, ReadonlyMap<string, number>>;
}

function placesOf({ bases, damaged }: PlanRequest): Map<string, Choice> {
  const places = new Map<string, Choice>();
  for (const { name: base, chunks } of bases) {
    let start = 0;
    for (const { digest, length } of chunks) {
      if (!places.has(digest) && !damaged?.has(`${base}:${start}`)) places.set(digest, { kind: 'base', base, start });
      start += length;
    }
  }
  return places;
}

const inFull: Choice = { kind: 'full' };

/** A choice to take back. */
interface Undo {
  choices: (Choice | undefined)[];
  chunk: number;
}

class Planner {
  readonly #request: PlanRequest;
  readonly #chain: number;
  /**
   * Takes every patch that can be used. Patches are judged one by one, and what two of them share counts for the first;
   * where many share much, taking all of them is fewer bytes. It also keeps a chain at most as long as its parts.
   */
  readonly #isEager: boolean;
  readonly #known: Known;
  readonly #builds: ChosenBuild[] = [];
  readonly #indexOf = new Map<string, number>();
  #deepest = 0;

  constructor(request: PlanRequest, known: Known, chain: number, isEager: boolean) {
    this.#request = request;
    this.#known = known;
    this.#chain = chain;
    this.#isEager = isEager;
    this.#add(request.target);
  }

  plan(): Plan {
    const target = this.#builds[0]!;
    this.#choose(0, 0, target.build.chunks.length, this.#chain, undefined);
    const [fetch, bytesToFetch] = this.#fetch();
    const bytesFromBases = target.build.chunks.reduce(
      (sum, { length }, chunk) => sum + (target.choices[chunk]?.kind === 'base' ? length : 0),
      0,
    );
    return { builds: this.#builds, fetch, bytesToFetch, bytesFromBases, chain: this.#deepest };
  }

  /**
   * Decides for chunks `first` to `end` of a build; the bytes that this adds to what is fetched. With `undo`, all of it
   * can be taken back.
   */
  #choose(index: number, first: number, end: number, chain: number, undo: Undo[] | undefined): number {
    const { build, choices } = this.#builds[index]!;
    let cost = 0;
    const lacking: number[] = [];
    for (let chunk = first; chunk < end; chunk += 1) {
      if (choices[chunk]) continue;
      const place = this.#known.places.get(build.chunks[chunk]!.digest);
      if (place) this.#set(choices, chunk, place, undo);
      else lacking.push(chunk);
    }
    if (lacking.length > 0 && chain > 0) {
      const wanted = new Set(lacking);
      for (const patch of this.#patchesTouching(index, first, end))
        cost += this.#tryPatch(index, patch, wanted, chain, undo);
      for (let ancestor = 0; ancestor < build.ancestors.length; ancestor += 1)
        cost += this.#takeFrom(index, ancestor, lacking, chain, undo);
    }
    for (const chunk of lacking) {
      if (choices[chunk]) continue;
      const { pack, encodedLength } = build.chunks[chunk]!;
      cost += this.#isThere(build, pack) ? encodedLength : Number.POSITIVE_INFINITY;
      this.#set(choices, chunk, inFull, undo);
    }
    if (cost === Number.POSITIVE_INFINITY && !undo)
      throw new Unfetchable('a pack that is needed cannot be fetched any more');
    return cost;
  }

  /** Takes a patch for the chunks that are wanted of it, if that is fewer bytes than those in full; the bytes added. */
  #tryPatch(
    index: number,
    patch: number,
    wanted: ReadonlySet<number>,
    chain: number,
    undo: Undo[] | undefined,
  ): number {
    const { build, choices } = this.#builds[index]!;
    const { pack, length, firstChunk, chunkCount, ancestor, referenceStart, referenceLength } = build.patches[patch]!;
    let bytesInFull = 0;
    const chunks: number[] = [];
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk += 1) {
      if (!wanted.has(chunk) || choices[chunk]) continue;
      chunks.push(chunk);
      const full = build.chunks[chunk]!;
      bytesInFull += this.#isThere(build, full.pack) ? full.encodedLength : Number.POSITIVE_INFINITY;
    }
    if (chunks.length === 0 || (length >= bytesInFull && !this.#isEager) || !this.#isThere(build, pack)) return 0;
    const reference = this.#ancestorOf(index, ancestor);
    if (reference === undefined) return 0;
    const trial: Undo[] = [];
    const deepest = this.#deepest;
    const [from, to] = chunksTouching(this.#builds[reference]!.starts, referenceStart, referenceLength);
    const cost = length + this.#choose(reference, from, to, chain - 1, trial);
    const isTaken = this.#isEager ? cost < Number.POSITIVE_INFINITY : cost < bytesInFull;
    if (!isTaken) {
      for (const step of trial) step.choices[step.chunk] = undefined;
      this.#deepest = deepest;
      return 0;
    }
    for (const step of undo ? trial : []) undo?.push(step);
    const choice: Choice = { kind: 'patch', patch };
    for (const chunk of chunks) this.#set(choices, chunk, choice, undo);
    this.#deepest = Math.max(this.#deepest, this.#chain - chain + 1);
    return cost;
  }

  /** Chunks that are no newer than an ancestor have their patch there. */
  #takeFrom(
    index: number,
    ancestor: number,
    lacking: readonly number[],
    chain: number,
    undo: Undo[] | undefined,
  ): number {
    const { build, choices } = this.#builds[index]!;
    const still = lacking.filter((chunk) => !choices[chunk]);
    if (still.length === 0) return 0;
    const older = this.#ancestorOf(index, ancestor);
    if (older === undefined) return 0;
    const chunkOf = this.#chunksByDigest(older);
    const same = new Map<number, number>();
    for (const chunk of still) {
      const there = chunkOf.get(build.chunks[chunk]!.digest);
      if (there !== undefined) same.set(chunk, there);
    }
    const wanted = new Set(same.values());
    const order = [...wanted].toSorted((a, b) => a - b);
    const patches = new Set(order.flatMap((chunk) => this.#patchesTouching(older, chunk, chunk + 1)));
    let cost = 0;
    for (const patch of patches) cost += this.#tryPatch(older, patch, wanted, chain, undo);
    for (const [chunk, there] of same)
      if (this.#builds[older]!.choices[there])
        this.#set(choices, chunk, { kind: 'same', build: older, chunk: there }, undo);
    return cost;
  }

  #chunksByDigest(index: number): ReadonlyMap<string, number> {
    const { build } = this.#builds[index]!;
    const known = this.#known.chunksOf.get(build);
    if (known) return known;
    const chunks = new Map<string, number>();
    for (const [chunk, { digest }] of build.chunks.entries()) chunks.set(digest, chunk);
    this.#known.chunksOf.set(build, chunks);
    return chunks;
  }

  #set(choices: (Choice | undefined)[], chunk: number, choice: Choice, undo: Undo[] | undefined): void {
    choices[chunk] = choice;
    undo?.push({ choices, chunk });
  }

  /** A build's patches come in the order of their chunks. */
  #patchesTouching(index: number, first: number, end: number): number[] {
    const { patches } = this.#builds[index]!.build;
    let [low, high] = [0, patches.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { firstChunk, chunkCount } = patches[middle]!;
      if (firstChunk + chunkCount <= first) low = middle + 1;
      else high = middle;
    }
    const touching: number[] = [];
    for (let patch = low; patch < patches.length && patches[patch]!.firstChunk < end; patch += 1) touching.push(patch);
    return touching;
  }

  #ancestorOf(index: number, ancestor: number): number | undefined {
    const from = this.#builds[index]!;
    const { manifestDigest, streamBytes } = from.build.ancestors[ancestor]!;
    let known = this.#indexOf.get(manifestDigest);
    if (known === undefined) {
      const base = this.#request.bases.find((one) => one.manifestDigest === manifestDigest);
      const build =
        this.#request.ancestors?.get(manifestDigest) ??
        (base && {
          chunks: base.chunks.map((chunk) => ({ ...chunk, ...nowhere })),
          patches: [],
          packs: [],
          ancestors: [],
        });
      if (!build || build.chunks.reduce((sum, { length }) => sum + length, 0) !== streamBytes) return undefined;
      known = this.#add(build);
      this.#indexOf.set(manifestDigest, known);
    }
    from.ancestors[ancestor] = known;
    return known;
  }

  #add(build: PlannedBuild): number {
    const starts = chunkStarts(build);
    this.#builds.push({
      build,
      starts,
      choices: new Array(build.chunks.length),
      ancestors: new Array(build.ancestors.length),
    });
    return this.#builds.length - 1;
  }

  #isThere(build: PlannedBuild, pack: number): boolean {
    const digest = build.packs[pack]?.digest;
    return digest !== undefined && (this.#request.hasPack?.(digest) ?? true);
  }

  #fetch(): [FetchRanges[], number] {
    const wanted = new RangeSet();
    for (const { build, choices } of this.#builds) {
      for (const [chunk, choice] of choices.entries()) {
        if (!choice || choice.kind === 'base' || choice.kind === 'same') continue;
        const stored = choice.kind === 'full' ? build.chunks[chunk]! : build.patches[choice.patch]!;
        const { digest, sizeBytes } = build.packs[stored.pack]!;
        wanted.add(digest, sizeBytes, stored.offset, 'encodedLength' in stored ? stored.encodedLength : stored.length);
      }
    }
    return wanted.coalesced(this.#request.rangeCostBytes ?? defaultRangeCostBytes);
  }
}

/** The place of a chunk that no pack is known to have. */
const nowhere = { pack: Number.MAX_SAFE_INTEGER, offset: 0, encodedLength: 0 };
