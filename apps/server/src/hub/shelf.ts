import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, verifyManifest } from '@starling/packs/signed-manifest.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import { sha256Hex } from '@starling/shared/words.ts';
import type { Swarm } from '@starling/swarm/swarm.ts';
import { packOf } from '@starling/swarm/torrent-info.ts';
import type { Logger } from '../lib/log.ts';
import { PackShelf, type PlacedPack } from './pack-shelf.ts';
import type { RegionBlobs } from './ports.ts';
import { pullManifest } from './pull.ts';
import { ShortManifests } from './short-manifests.ts';

const firstPauseMs = 500;
const maxPauseMs = 30_000;
/** Builds that no key names any more but that a rollback is likely to name again. */
const keptUnnamed = 5;

export interface NamedBuild {
  build: string;
  manifestDigest: string;
}

/** What lies on the shelf, for `/healthz`. */
export interface ShelvedBuild extends NamedBuild {
  /**
   * SEEDING when the pack that the build brought is here, and served; while it is PULLING, what came of it is. Older
   * packs are pulled when somebody asks for them.
   */
  state: 'PULLING' | 'SEEDING' | 'KEPT';
  /** Of that pack. */
  bytesDone: number;
  /** Null until the manifest says it. */
  bytesTotal: number | null;
  /** Why it is not here yet; empty when nothing is wrong. */
  reason: string;
}

export interface ShelfOptions {
  dataDir: string;
  blobs: RegionBlobs;
  trusted: TrustedKeys;
  swarm: Swarm;
  clock: Clock;
  log: Logger;
  /** What packs may take that no build needs that a key names. */
  keptBytes: number;
  /** A pack is served to the swarm from now on, as far as it is here, or no longer. */
  onServingChange: (infoHash: string) => void;
}

interface Entry extends NamedBuild {
  isNamed: boolean;
  /** Its manifest alone was asked for, as that of an ancestor of a build that is named. */
  isAsked: boolean;
  lastNamedAt: number;
  /** What is remembered of its manifest once that is here; all of it would take much memory. */
  manifest: Pick<Manifest, 'ancestors'> | undefined;
  /** All that the manifest lists; its own is the last. */
  packs: Pack[];
  reason: string;
  /** The store does not have its manifest. */
  isMissing: boolean;
  /** Set while the manifest is being pulled. */
  work: Promise<void> | undefined;
  stopping: AbortController;
}

/**
 * The builds of a region on this hub's disk: manifests of those that keys name, of the last few that were named before, and
 * of their ancestors when an agent asks; and packs. The pack that a named build brought is pulled at once, older ones when
 * an agent asks for them.
 */
export class Shelf {
  readonly #options: ShelfOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #packs: PackShelf;
  readonly #short: ShortManifests;
  /** Removals under way, by manifest digest: the same build waits for it before it is pulled again. */
  readonly #drops = new Map<string, Promise<void>>();
  #isStopping = false;

  constructor(options: ShelfOptions) {
    this.#options = options;
    this.#packs = new PackShelf({
      ...options,
      folder: join(options.dataDir, 'packs'),
      onPulled: () => this.#letGo(),
      onDiskFull: () => this.#letGo(0),
    });
    this.#short = new ShortManifests(join(options.dataDir, 'short-manifests'), options.log);
  }

  /** Finds what an earlier run left, and removes what cannot be of use. */
  async open(): Promise<void> {
    await mkdir(join(this.#options.dataDir, 'manifests'), { recursive: true });
    await rm(join(this.#options.dataDir, 'short-manifests'), { recursive: true, force: true });
    await mkdir(join(this.#options.dataDir, 'short-manifests'));
    for (const digest of await readdir(join(this.#options.dataDir, 'manifests'))) {
      const manifest = sha256Hex.safeParse(digest).success ? await this.#readManifest(digest) : undefined;
      if (!manifest) {
        await rm(this.#manifestPath(digest), { force: true });
        continue;
      }
      const { mtimeMs } = await stat(this.#manifestPath(digest));
      this.#found(this.#add({ build: manifest.build, manifestDigest: digest }, mtimeMs), manifest);
    }
    await this.#packs.open([...this.#entries.values()].flatMap(({ packs }) => packs));
  }

  /** Takes on every build that a key names now, and in time lets go of the others. */
  name(builds: readonly NamedBuild[]): void {
    if (this.#isStopping) return;
    const now = this.#options.clock.now();
    const named = new Map(builds.map((build) => [build.manifestDigest, build]));
    for (const entry of this.#entries.values()) {
      if (!entry.isNamed || named.has(entry.manifestDigest)) continue;
      entry.isNamed = false;
      utimes(this.#manifestPath(entry.manifestDigest), now / 1_000, now / 1_000).catch(() => undefined);
    }
    for (const build of named.values()) {
      const entry = this.#entries.get(build.manifestDigest) ?? this.#add(build, now);
      Object.assign(entry, { isNamed: true, isAsked: false, lastNamedAt: now });
      this.#ensure(entry);
    }
    this.#letGo();
  }

  isServing(infoHash: string): boolean {
    return this.#packs.isServing(infoHash);
  }

  /** Where a manifest lies; undefined when it is of no build that a key names, nor of an ancestor that the store has. */
  manifest(digest: string): { path: string } | 'pulling' | undefined {
    const entry = this.#entries.get(digest) ?? this.#askForAncestor(digest);
    if (!entry) return undefined;
    if (entry.manifest) return { path: this.#manifestPath(digest) };
    return entry.isMissing && !entry.isNamed ? undefined : 'pulling';
  }

  /** As `manifest`, but as a patch of the first of those that the machine has and this hub too. */
  async shortManifest(digest: string, has: readonly string[]): Promise<{ path: string } | 'pulling' | undefined> {
    const whole = this.manifest(digest);
    const earlier = has.find((one) => one !== digest && this.#entries.get(one)?.manifest);
    if (!whole || whole === 'pulling' || earlier === undefined) return whole === 'pulling' ? whole : undefined;
    return this.#short.find(digest, whole.path, earlier, this.#manifestPath(earlier));
  }

  /** Where a pack lies, of which all or a part is here; undefined when it is of no build that is known here. */
  pack(sha256: string): PlacedPack | 'pulling' | undefined {
    let [isPossible, isNamed] = [false, false];
    let listed: Pack | undefined;
    for (const entry of this.#entries.values()) {
      const found = entry.packs.find((pack) => pack.sha256 === sha256);
      listed ??= found;
      if (found && !entry.isAsked) isNamed = true;
      // A build whose manifest is not here yet could turn out to have this pack.
      if (!entry.manifest && entry.isNamed) isPossible = true;
    }
    if (!listed) return isPossible ? 'pulling' : undefined;
    this.#packs.want(listed);
    const place = this.#packs.find(sha256);
    if (place !== 'missing') return place;
    return isNamed ? 'pulling' : undefined;
  }

  describe(): ShelvedBuild[] {
    return [...this.#entries.values()]
      .filter(({ isAsked }) => !isAsked)
      .map(({ build, manifestDigest, packs, isNamed, reason }) => {
        const own = packs.at(-1);
        const pack = own && this.#packs.describe(own.sha256);
        return {
          build,
          manifestDigest,
          state: pack?.isWhole ? 'SEEDING' : isNamed ? 'PULLING' : 'KEPT',
          bytesDone: pack?.bytesDone ?? 0,
          bytesTotal: own?.sizeBytes ?? null,
          reason: reason || (pack?.reason ?? ''),
        };
      });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const entry of this.#entries.values()) entry.stopping.abort();
    await Promise.all([...this.#entries.values()].map((entry) => entry.work));
    await Promise.all(this.#drops.values());
    await this.#packs.stop();
  }

  #add(build: NamedBuild, lastNamedAt: number): Entry {
    const entry: Entry = {
      ...build,
      isNamed: false,
      isAsked: false,
      lastNamedAt,
      manifest: undefined,
      packs: [],
      reason: '',
      isMissing: false,
      work: undefined,
      stopping: new AbortController(),
    };
    this.#entries.set(build.manifestDigest, entry);
    return entry;
  }

  #askForAncestor(digest: string): Entry | undefined {
    if (this.#isStopping) return undefined;
    for (const { manifest } of this.#entries.values()) {
      const ancestor = manifest?.ancestors.find(({ manifestDigest }) => manifestDigest === digest);
      if (!ancestor) continue;
      const entry = this.#add({ build: ancestor.build, manifestDigest: digest }, this.#options.clock.now());
      entry.isAsked = true;
      this.#ensure(entry);
      return entry;
    }
    return undefined;
  }

  #found(entry: Entry, manifest: Manifest): void {
    entry.packs = manifest.packs.map(packOf);
    entry.manifest = { ancestors: manifest.ancestors };
  }

  #ensure(entry: Entry): void {
    const own = entry.packs.at(-1);
    if (entry.manifest && own && entry.isNamed) this.#packs.want(own);
    if (!entry.manifest && !entry.work) entry.work = this.#obtain(entry);
  }

  /** Tries until the manifest is here or nobody wants it any more; never rejects. */
  async #obtain(entry: Entry): Promise<void> {
    const { blobs, clock, log, trusted } = this.#options;
    const { signal } = entry.stopping;
    const path = this.#manifestPath(entry.manifestDigest);
    await this.#drops.get(entry.manifestDigest);
    for (let failures = 0; !signal.aborted; ) {
      try {
        this.#found(entry, await pullManifest(blobs, entry, trusted, path, signal));
        Object.assign(entry, { reason: '', isMissing: false });
        break;
      } catch (thrown) {
        if (signal.aborted) break;
        failures += 1;
        const pause = Math.min(maxPauseMs, firstPauseMs * 2 ** failures);
        entry.reason = messageOf(thrown);
        entry.isMissing = thrown instanceof StarlingError && thrown.code === 'NOT_FOUND';
        log.warn(`${entry.build} is not here yet: ${entry.reason}; again in ${pause} ms`);
        await clock.sleep(pause, signal);
      }
    }
    entry.work = undefined;
    if (!signal.aborted) this.#ensure(entry);
  }

  #letGo(keptBytes = this.#options.keptBytes): void {
    const unnamed = [...this.#entries.values()]
      .filter((entry) => !entry.isNamed)
      .sort((a, b) => b.lastNamedAt - a.lastNamedAt);
    const kept = new Set(unnamed.filter((entry) => entry.manifest && !entry.isAsked).slice(0, keptUnnamed));
    const stays = (entry: Entry) => entry.isNamed || kept.has(entry);
    const ancestors = new Set(
      [...this.#entries.values()].filter(stays).flatMap(({ manifest }) => manifest?.ancestors ?? []),
    );
    const isAncestor = ({ manifestDigest }: Entry) =>
      [...ancestors].some((ancestor) => ancestor.manifestDigest === manifestDigest);
    for (const entry of unnamed) {
      if (kept.has(entry)) continue;
      // Machines may still come from it.
      if (isAncestor(entry) && entry.manifest) entry.isAsked = true;
      else this.#drop(entry);
    }
    const namesOf = (some: Entry[]) => new Set(some.flatMap(({ packs }) => packs.map(({ sha256 }) => sha256)));
    const all = [...this.#entries.values()];
    // Until a named build's manifest is here, nobody knows what it lists.
    if (all.some((entry) => entry.isNamed && !entry.manifest)) return;
    this.#packs.letGo(namesOf(all), namesOf(all.filter(({ isNamed }) => isNamed)), keptBytes);
  }

  #drop(entry: Entry): void {
    const { build, manifestDigest } = entry;
    this.#entries.delete(manifestDigest);
    this.#short.drop(manifestDigest);
    entry.stopping.abort();
    const dropping = (entry.work ?? Promise.resolve())
      .then(() => rm(this.#manifestPath(manifestDigest), { force: true }))
      .then(() => this.#options.log.info(`let go of ${build}`))
      .catch((thrown: unknown) => this.#options.log.warn(`${build} was not removed: ${messageOf(thrown)}`))
      .finally(() => this.#drops.delete(manifestDigest));
    this.#drops.set(manifestDigest, dropping);
  }

  async #readManifest(digest: string): Promise<Manifest | undefined> {
    try {
      return verifyManifest(await readFile(this.#manifestPath(digest)), { digest }, this.#options.trusted);
    } catch {
      return undefined;
    }
  }

  #manifestPath(digest: string): string {
    return join(this.#options.dataDir, 'manifests', digest);
  }
}
