import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError, isDiskFull } from '@starling/host/disk-error.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { recordEndings } from '@starling/swarm/piece-record.ts';
import type { ByteRange, Membership, Swarm } from '@starling/swarm/swarm.ts';
import type { Logger } from '../lib/log.ts';
import { Turns } from '../lib/turns.ts';
import type { RegionBlobs } from './ports.ts';
import { pullPack } from './pull.ts';

export interface PackShelfOptions {
  /** Where packs lie, each named by its SHA-256. */
  folder: string;
  blobs: RegionBlobs;
  swarm: Swarm;
  clock: Clock;
  log: Logger;
  /** A pack is served to the swarm from now on, as far as it is here, or no longer. */
  onServingChange: (infoHash: string) => void;
  /** A pack came: others may have to go, by `letGo`. */
  onPulled: () => void;
  /** No pack that somebody needs fits any more. */
  onDiskFull: () => void;
}

/** A pack of which something may be here. */
export interface PlacedPack {
  path: string;
  sizeBytes: number;
  /** Whether these bytes are here, and checked. */
  has: (range: ByteRange) => boolean;
}

interface ShelvedPack {
  pack: Pack;
  reason: string;
  /** The store does not have it. */
  isMissing: boolean;
  askedAt: number;
  membership: Membership | undefined;
  /** Set while it is being joined and pulled. */
  work: Promise<void> | undefined;
  stopping: AbortController;
}

const sha256Digits = 64;
const pullsAtOnce = 3;
const firstPauseMs = 500;
const maxPauseMs = 30_000;
/** Whoever is fetching a pack asks for it every 10 s; one that was asked for so lately stays, whatever it takes. */
const inUseMs = 60_000;

/**
 * Packs on this hub's disk: pulled from the region's store when they are wanted, and served piece by piece as they come. All
 * that is here can be pulled again; a kill at any moment costs at most that.
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
      const pack = byName.get(name.slice(0, sha256Digits));
      const isOfPack = ['', ...recordEndings].includes(name.slice(sha256Digits));
      if (!pack || !isOfPack) await rm(join(this.#options.folder, name), { force: true });
      else if (name === pack.sha256) this.want(pack);
    }
  }

  /** Serves the pack from now on, and pulls what is missing of it, unless that is under way. */
  want(pack: Pack): void {
    if (this.#isStopping) return;
    const known = this.#packs.get(pack.sha256);
    if (known) known.askedAt = this.#options.clock.now();
    if (known && (known.work || isWhole(known))) return;
    const shelved = known ?? this.#add(pack);
    shelved.work = this.#obtain(shelved);
  }

  /** Where a pack lies; 'missing' when the store did not have it, undefined when nobody wanted it yet. */
  find(sha256: string): PlacedPack | 'pulling' | 'missing' | undefined {
    const shelved = this.#packs.get(sha256);
    if (!shelved) return undefined;
    shelved.askedAt = this.#options.clock.now();
    if (shelved.isMissing) return 'missing';
    const { membership, pack } = shelved;
    if (!membership) return 'pulling';
    return { path: this.#path(sha256), sizeBytes: pack.sizeBytes, has: (range) => membership.has(range) };
  }

  isServing(infoHash: string): boolean {
    for (const { membership } of this.#packs.values()) if (membership?.infoHash === infoHash) return true;
    return false;
  }

  /** How far a pack is; nothing of it is here when nobody wanted it yet. */
  describe(sha256: string): { isWhole: boolean; bytesDone: number; reason: string } {
    const shelved = this.#packs.get(sha256);
    if (!shelved) return { isWhole: false, bytesDone: 0, reason: '' };
    const bytesDone = shelved.membership?.progress().bytesDone ?? 0;
    return { isWhole: isWhole(shelved), bytesDone, reason: shelved.reason };
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

  /** Tries until the pack is whole or nobody wants it any more; never rejects. */
  async #obtain(shelved: ShelvedPack): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = shelved.stopping;
    const { sha256 } = shelved.pack;
    await this.#drops.get(sha256);
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#obtainOnce(shelved, signal);
        Object.assign(shelved, { reason: '', isMissing: false });
        log.info({ pack: sha256 }, 'a pack is whole');
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
    const { blobs, swarm, log, onServingChange } = this.#options;
    const { pack } = shelved;
    if (!shelved.membership) {
      const membership = await swarm.join(pack, this.#path(pack.sha256));
      shelved.membership = membership;
      onServingChange(membership.infoHash);
      log.info({ pack: pack.sha256 }, 'seeding a pack');
    }
    const { membership } = shelved;
    if (!isWhole(shelved)) await this.#pulls.take(() => pullPack(blobs, pack, membership, signal));
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
    if (membership) this.#options.onServingChange(membership.infoHash);
    for (const ending of ['', ...recordEndings]) await rm(`${this.#path(pack.sha256)}${ending}`, { force: true });
    this.#options.log.info({ pack: pack.sha256 }, 'let go of a pack');
  }

  #path(sha256: string): string {
    return join(this.#options.folder, sha256);
  }
}

const isWhole = ({ membership, pack }: ShelvedPack): boolean => membership?.has([0, pack.sizeBytes]) === true;
