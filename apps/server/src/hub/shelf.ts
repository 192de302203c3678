import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import type { Manifest, Pack } from '@starling/shared/manifest.ts';
import { verifyManifest } from '@starling/shared/manifest-verify.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import { sha256Hex } from '@starling/shared/words.ts';
import type { Membership, Swarm } from '@starling/swarm/swarm.ts';
import type { Logger } from '../lib/log.ts';
import { Turns } from '../lib/turns.ts';
import type { RegionBlobs } from './ports.ts';
import { pullManifest, pullPack } from './pull.ts';

const pullsAtOnce = 3;
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
  state: 'PULLING' | 'SEEDING' | 'KEPT';
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
  /** A pack is seeded from now on, or no longer. */
  onSeedingChange: (infoHash: string) => void;
}

interface Entry extends NamedBuild {
  isNamed: boolean;
  lastNamedAt: number;
  manifest: Manifest | undefined;
  isPackHere: boolean;
  bytesDone: number;
  reason: string;
  /** Set while it is being pulled and joined. */
  work: Promise<void> | undefined;
  stopping: AbortController;
}

/**
 * The builds of a region on this hub's disk: those that keys name, pulled from the region's own store, and the last
 * few that were named before. Everything here can be pulled again; a kill at any moment costs at most that.
 */
export class Shelf {
  readonly #options: ShelfOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #memberships = new Map<string, Membership>();
  readonly #pulls = new Turns(pullsAtOnce);
  /** Two builds may have the same pack, so what happens to one pack happens one after another. */
  readonly #perPack = new Map<string, { turns: Turns; users: number }>();
  /** Removals under way, by manifest digest: the same build waits for it before it is pulled again. */
  readonly #drops = new Map<string, Promise<void>>();
  #isStopping = false;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  /** Finds what an earlier run left, and removes what cannot be of use. */
  async open(): Promise<void> {
    for (const folder of ['manifests', 'packs']) await mkdir(join(this.#options.dataDir, folder), { recursive: true });
    const packs = new Set<string>();
    for (const digest of await readdir(join(this.#options.dataDir, 'manifests'))) {
      const manifest = sha256Hex.safeParse(digest).success ? await this.#readManifest(digest) : undefined;
      if (!manifest) {
        await rm(join(this.#options.dataDir, 'manifests', digest), { force: true });
        continue;
      }
      const { mtimeMs } = await stat(this.#manifestPath(digest));
      const entry = this.#add({ build: manifest.build, manifestDigest: digest }, mtimeMs);
      entry.manifest = manifest;
      entry.isPackHere = await this.#hasPack(manifest.pack);
      packs.add(manifest.pack.sha256);
    }
    for (const name of await readdir(join(this.#options.dataDir, 'packs'))) {
      if (!packs.has(name.replace(/\.part$/, '')))
        await rm(join(this.#options.dataDir, 'packs', name), { force: true });
    }
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
      Object.assign(entry, { isNamed: true, lastNamedAt: now });
      const isSeeding = entry.manifest && this.isSeeding(entry.manifest.pack.torrent.infoHash);
      if (!entry.work && !isSeeding) entry.work = this.#obtain(entry);
    }
    this.#dropUnnamed();
  }

  isSeeding(infoHash: string): boolean {
    return this.#memberships.has(infoHash);
  }

  /** Where a manifest lies; undefined when no key names it. */
  manifest(digest: string): { path: string } | 'pulling' | undefined {
    const entry = this.#entries.get(digest);
    if (!entry) return undefined;
    return entry.manifest ? { path: this.#manifestPath(digest) } : 'pulling';
  }

  /** Where a pack lies, whole and checked; undefined when it is of no build that a key names. */
  pack(sha256: string): { path: string } | 'pulling' | undefined {
    let isPossible = false;
    for (const { manifest, isPackHere } of this.#entries.values()) {
      if (manifest?.pack.sha256 === sha256 && isPackHere) return { path: this.#packPath(sha256) };
      // A build whose manifest is not here yet could turn out to have this pack.
      if (!manifest || manifest.pack.sha256 === sha256) isPossible = true;
    }
    return isPossible ? 'pulling' : undefined;
  }

  describe(): ShelvedBuild[] {
    return [...this.#entries.values()].map((entry) => {
      const { build, manifestDigest, manifest, bytesDone, reason } = entry;
      const isSeeding = manifest !== undefined && this.isSeeding(manifest.pack.torrent.infoHash);
      const bytesTotal = manifest?.pack.sizeBytes ?? null;
      const state = isSeeding ? 'SEEDING' : entry.isNamed ? 'PULLING' : 'KEPT';
      return {
        build,
        manifestDigest,
        state,
        bytesDone: entry.isPackHere ? (bytesTotal ?? 0) : bytesDone,
        bytesTotal,
        reason,
      };
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const entry of this.#entries.values()) entry.stopping.abort();
    await Promise.all([...this.#entries.values()].map((entry) => entry.work));
    await Promise.all(this.#drops.values());
    await Promise.all([...this.#memberships.values()].map((membership) => membership.leave()));
  }

  #add(build: NamedBuild, lastNamedAt: number): Entry {
    const entry: Entry = {
      ...build,
      isNamed: false,
      lastNamedAt,
      manifest: undefined,
      isPackHere: false,
      bytesDone: 0,
      reason: '',
      work: undefined,
      stopping: new AbortController(),
    };
    this.#entries.set(build.manifestDigest, entry);
    return entry;
  }

  /** Tries until the build is seeded or nobody wants it any more; never rejects. */
  async #obtain(entry: Entry): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = entry.stopping;
    await this.#drops.get(entry.manifestDigest);
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#obtainOnce(entry, signal);
        entry.reason = '';
        log.info(`seeding ${entry.build}`);
        break;
      } catch (thrown) {
        if (signal.aborted) break;
        failures += 1;
        const pause = Math.min(maxPauseMs, firstPauseMs * 2 ** failures);
        entry.reason = messageOf(thrown);
        log.warn(`${entry.build} is not here yet: ${entry.reason}; again in ${pause} ms`);
        await clock.sleep(pause, signal);
      }
    }
    entry.work = undefined;
  }

  async #obtainOnce(entry: Entry, signal: AbortSignal): Promise<void> {
    const { blobs, trusted, swarm, onSeedingChange } = this.#options;
    const digest = entry.manifestDigest;
    entry.manifest ??=
      (await this.#readManifest(digest)) ??
      (await this.#pulls.take(() => pullManifest(blobs, entry, trusted, this.#manifestPath(digest), signal)));
    const { pack } = entry.manifest;
    const path = this.#packPath(pack.sha256);
    await this.#inTurn(pack, async () => {
      if (!(await this.#hasPack(pack))) {
        const onProgress = (bytesDone: number) => {
          entry.bytesDone = bytesDone;
        };
        await this.#pulls.take(() => pullPack(blobs, pack, path, onProgress, signal));
      }
      signal.throwIfAborted();
      entry.isPackHere = true;
      if (this.#memberships.has(pack.torrent.infoHash)) return;
      const membership = await swarm.join(pack, path);
      if (membership.progress().bytesDone < pack.sizeBytes) {
        entry.isPackHere = false;
        await membership.leave();
        await rm(path, { force: true });
        throw new StarlingError('UNAVAILABLE', `the pack ${pack.sha256} was damaged on this hub's disk`);
      }
      this.#memberships.set(pack.torrent.infoHash, membership);
      onSeedingChange(pack.torrent.infoHash);
    });
  }

  #dropUnnamed(): void {
    const unnamed = [...this.#entries.values()]
      .filter((entry) => !entry.isNamed)
      .sort((a, b) => b.lastNamedAt - a.lastNamedAt);
    const kept = unnamed.filter((entry) => entry.isPackHere).slice(0, keptUnnamed);
    for (const entry of unnamed) {
      if (kept.includes(entry)) continue;
      this.#entries.delete(entry.manifestDigest);
      entry.stopping.abort();
      const dropping = this.#drop(entry)
        .catch((thrown: unknown) => this.#options.log.warn(`${entry.build} was not removed: ${messageOf(thrown)}`))
        .finally(() => this.#drops.delete(entry.manifestDigest));
      this.#drops.set(entry.manifestDigest, dropping);
    }
  }

  async #drop({ work, build, manifest, manifestDigest }: Entry): Promise<void> {
    await work;
    await rm(this.#manifestPath(manifestDigest), { force: true });
    if (!manifest) return;
    const { pack } = manifest;
    const { infoHash } = pack.torrent;
    await this.#inTurn(pack, async () => {
      const others = [...this.#entries.values()].flatMap((entry) => (entry.manifest ? [entry.manifest.pack] : []));
      if (!others.some((other) => other.torrent.infoHash === infoHash)) {
        await this.#memberships.get(infoHash)?.leave();
        if (this.#memberships.delete(infoHash)) this.#options.onSeedingChange(infoHash);
      }
      if (!others.some((other) => other.sha256 === pack.sha256)) {
        await rm(this.#packPath(pack.sha256), { force: true });
        await rm(`${this.#packPath(pack.sha256)}.part`, { force: true });
      }
    });
    this.#options.log.info(`let go of ${build}`);
  }

  async #readManifest(digest: string): Promise<Manifest | undefined> {
    try {
      return verifyManifest(await readFile(this.#manifestPath(digest)), { digest }, this.#options.trusted);
    } catch {
      return undefined;
    }
  }

  async #hasPack(pack: Pack): Promise<boolean> {
    return stat(this.#packPath(pack.sha256)).then(
      ({ size }) => size === pack.sizeBytes,
      () => false,
    );
  }

  async #inTurn(pack: Pack, work: () => Promise<void>): Promise<void> {
    const queue = this.#perPack.get(pack.sha256) ?? { turns: new Turns(1), users: 0 };
    this.#perPack.set(pack.sha256, queue);
    queue.users += 1;
    try {
      await queue.turns.take(work);
    } finally {
      queue.users -= 1;
      if (queue.users === 0) this.#perPack.delete(pack.sha256);
    }
  }

  #manifestPath(digest: string): string {
    return join(this.#options.dataDir, 'manifests', digest);
  }

  #packPath(sha256: string): string {
    return join(this.#options.dataDir, 'packs', sha256);
  }
}
