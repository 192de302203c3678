import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError, isDiskFull } from '@starling/host/disk-error.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { recordEndings } from '@starling/swarm/piece-record.ts';
import type { Membership, Swarm } from '@starling/swarm/swarm.ts';
import type { Logger } from '../lib/log.ts';
import { Turns } from '../lib/turns.ts';
import type { RegionBlobs } from './ports.ts';
import { partEnding, pullPack } from './pull.ts';

export interface PackShelfOptions {
  /** Where packs lie, each named by its SHA-256. */
  folder: string;
  blobs: RegionBlobs;
  swarm: Swarm;
  clock: Clock;
  log: Logger;
  /** A pack is seeded from now on, or no longer. */
  onSeedingChange: (infoHash: string) => void;
  /** A pack came: others may have to go, by `letGo`. */
  onPulled: () => void;
  /** No pack that somebody needs fits any more. */
  onDiskFull: () => void;
}

interface ShelvedPack {
  pack: Pack;
  isHere: boolean;
  bytesDone: number;
  reason: string;
  /** The store does not have it. */
  isMissing: boolean;
  askedAt: number;
  membership: Membership | undefined;
  /** Set while it is being pulled and joined. */
  work: Promise<void> | undefined;
  stopping: AbortController;
}

const pullsAtOnce = 3;
const firstPauseMs = 500;
const maxPauseMs = 30_000;
/** Whoever is fetching a pack asks for it every 10 s; one that was asked for so lately stays, whatever it takes. */
const inUseMs = 60_000;

/**
 * Packs on this hub's disk: pulled from the region's store when they are wanted, checked, and seeded. Everything here can be
 * pulled again; a kill at any moment costs at most that.
 */
export class PackShelf {
  readonly #options: PackShelfOptions;
  readonly #packs = new Map<string, ShelvedPack>();
  readonly #pulls = new Turns(pullsAtOnce);
  /** Removals under way: the same pack waits for its own before it is pulled again. */
  readonly #drops = new Map<string, Promise<void>>();
  #isStopping = false;

  constructor(options: PackShelfOptions) {
    this.#options = options;
  }

  /** Takes on, of what an earlier run left, the packs that are still of use, and removes the rest. */
  async open(useful: readonly Pack[]): Promise<void> {
    await mkdir(this.#options.folder, { recursive: true });
    const byName = new Map(useful.map((pack) => [pack.sha256, pack]));
    for (const name of await readdir(this.#options.folder)) {
      const pack = byName.get(name.endsWith(partEnding) ? name.slice(0, -partEnding.length) : name);
      if (!pack) await rm(join(this.#options.folder, name), { force: true });
      else if (name === pack.sha256) this.want(pack);
    }
  }

  /** Pulls the pack, unless it is here or on its way, and seeds it from then on. */
  want(pack: Pack): void {
    if (this.#isStopping) return;
    const known = this.#packs.get(pack.sha256);
    if (known) known.askedAt = this.#options.clock.now();
    if (known?.work || known?.membership) return;
    const shelved = known ?? this.#add(pack);
    shelved.work = this.#obtain(shelved);
  }

  /** Where a pack lies, whole and checked; 'missing' when the store did not have it, undefined when nobody wanted it yet. */
  find(sha256: string): { path: string } | 'pulling' | 'missing' | undefined {
    const shelved = this.#packs.get(sha256);
    if (!shelved) return undefined;
    shelved.askedAt = this.#options.clock.now();
    if (shelved.isHere) return { path: this.#path(sha256) };
    return shelved.isMissing ? 'missing' : 'pulling';
  }

  isSeeding(infoHash: string): boolean {
    for (const { membership } of this.#packs.values()) if (membership?.infoHash === infoHash) return true;
    return false;
  }

  /** How far a pack is; nothing of it is here when nobody wanted it yet. */
  describe(sha256: string): { isSeeding: boolean; bytesDone: number; reason: string } {
    const shelved = this.#packs.get(sha256);
    if (!shelved) return { isSeeding: false, bytesDone: 0, reason: '' };
    const { isHere, pack, bytesDone, membership, reason } = shelved;
    return { isSeeding: membership !== undefined, bytesDone: isHere ? pack.sizeBytes : bytesDone, reason };
  }

  /**
   * Lets go of packs that are not in `listed`, and of those that are not in `needed` as far as they take more than
   * `keptBytes` together: those first that nobody asked for the longest. None that was asked for within the last minute.
   */
  letGo(listed: ReadonlySet<string>, needed: ReadonlySet<string>, keptBytes: number): void {
    const spare = [];
    for (const shelved of this.#packs.values()) {
      if (!listed.has(shelved.pack.sha256)) this.#drop(shelved);
      else if (!needed.has(shelved.pack.sha256)) spare.push(shelved);
    }
    let bytes = spare.reduce((sum, { pack }) => sum + pack.sizeBytes, 0);
    const unused = this.#options.clock.now() - inUseMs;
    for (const shelved of spare.toSorted((a, b) => a.askedAt - b.askedAt)) {
      if (bytes <= keptBytes || shelved.askedAt > unused) break;
      this.#drop(shelved);
      bytes -= shelved.pack.sizeBytes;
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const { stopping } of this.#packs.values()) stopping.abort();
    await Promise.all([...this.#packs.values()].map(({ work }) => work));
    await Promise.all(this.#drops.values());
    await Promise.all([...this.#packs.values()].map(({ membership }) => membership?.leave()));
  }

  #add(pack: Pack): ShelvedPack {
    const shelved: ShelvedPack = {
      pack,
      isHere: false,
      bytesDone: 0,
      reason: '',
      isMissing: false,
      askedAt: this.#options.clock.now(),
      membership: undefined,
      work: undefined,
      stopping: new AbortController(),
    };
    this.#packs.set(pack.sha256, shelved);
    return shelved;
  }

  /** Tries until the pack is seeded or nobody wants it any more; never rejects. */
  async #obtain(shelved: ShelvedPack): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = shelved.stopping;
    const { sha256 } = shelved.pack;
    await this.#drops.get(sha256);
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#obtainOnce(shelved, signal);
        Object.assign(shelved, { reason: '', isMissing: false });
        log.info({ pack: sha256 }, 'seeding a pack');
        this.#options.onPulled();
        break;
      } catch (error) {
        if (signal.aborted) break;
        if (isDiskFull(error)) this.#options.onDiskFull();
        const thrown = diskError(error, this.#options.folder);
        failures += 1;
        const pause = Math.min(maxPauseMs, firstPauseMs * 2 ** failures);
        shelved.isMissing = thrown instanceof StarlingError && thrown.code === 'NOT_FOUND';
        shelved.reason = messageOf(thrown);
        log.warn(`the pack ${sha256} is not here yet: ${shelved.reason}; again in ${pause} ms`);
        await clock.sleep(pause, signal);
      }
    }
    shelved.work = undefined;
  }

  async #obtainOnce(shelved: ShelvedPack, signal: AbortSignal): Promise<void> {
    const { blobs, swarm, onSeedingChange } = this.#options;
    const { pack } = shelved;
    const path = this.#path(pack.sha256);
    if (!(await this.#hasFile(pack))) {
      const onProgress = (bytesDone: number) => {
        shelved.bytesDone = bytesDone;
      };
      await this.#pulls.take(() => pullPack(blobs, pack, path, onProgress, signal));
    }
    signal.throwIfAborted();
    const membership = await swarm.join(pack, path);
    if (membership.progress().bytesDone < pack.sizeBytes) {
      await membership.leave();
      await rm(path, { force: true });
      throw new StarlingError('UNAVAILABLE', `the pack ${pack.sha256} was damaged on this hub's disk`);
    }
    shelved.isHere = true;
    shelved.membership = membership;
    onSeedingChange(membership.infoHash);
  }

  #drop(shelved: ShelvedPack): void {
    const { sha256 } = shelved.pack;
    this.#packs.delete(sha256);
    shelved.stopping.abort();
    const earlier = this.#drops.get(sha256);
    const dropping = this.#remove(shelved, earlier)
      .catch((thrown: unknown) => this.#options.log.warn(`a pack was not removed: ${messageOf(thrown)}`))
      .finally(() => {
        if (this.#drops.get(sha256) === dropping) this.#drops.delete(sha256);
      });
    this.#drops.set(sha256, dropping);
  }

  async #remove(shelved: ShelvedPack, earlier: Promise<void> | undefined): Promise<void> {
    await earlier;
    await shelved.work;
    const { membership, pack } = shelved;
    await membership?.leave();
    if (membership) this.#options.onSeedingChange(membership.infoHash);
    for (const ending of ['', partEnding, ...recordEndings])
      await rm(`${this.#path(pack.sha256)}${ending}`, { force: true });
    this.#options.log.info({ pack: pack.sha256 }, 'let go of a pack');
  }

  #hasFile({ sha256, sizeBytes }: Pack): Promise<boolean> {
    return stat(this.#path(sha256)).then(
      ({ size }) => size === sizeBytes,
      () => false,
    );
  }

  #path(sha256: string): string {
    return join(this.#options.folder, sha256);
  }
}
