import { readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { UnsignedVersionKey } from '@starling/shared/version-key.ts';
import type { Logger } from 'pino';
import { z } from 'zod';

export type AheadBuild = UnsignedVersionKey['prefetch'][number];

export interface PrefetcherOptions {
  /** Remembers which packs were begun for which build. */
  notePath: string;
  clock: Clock;
  log: Logger;
  /** Whether nothing on this machine has a target to reach. */
  isIdle: () => boolean;
  /** The digest of the manifest of the build that runs. */
  current: () => string | undefined;
  /** Fetches what the machine lacks of a build; calls `onPacks` with the packs before their first byte comes. */
  bring: (build: AheadBuild, onPacks: (packs: string[]) => Promise<void>, signal: AbortSignal) => Promise<void>;
  /** Lets go of the packs of a build by the digest of its manifest; what is here of them stays. */
  release: (manifestDigest: string) => Promise<void>;
  /** Deletes packs that nobody needs; what `packs` names is needed. */
  prunePacks: () => Promise<void>;
  /** Something is being fetched ahead from now on, or no longer. */
  onActive: (isActive: boolean) => void;
}

const lookEveryMs = 1_000;
const retryAfterMs = 5 * 60_000;
const mostAhead = 2;

const note = z.record(z.string(), z.array(z.string()));

/**
 * Fetches the builds of one project that its key names ahead of a decision, while the machine has nothing else to do. It
 * makes no slot: the bytes lie where the update looks for them. They stay while the key names the build, as one that may
 * come or as a target that this machine does not run yet, so a machine of a late wave has them still.
 */
export class Prefetcher {
  readonly #options: PrefetcherOptions;
  /** Packs by the manifest digest of the build that they are here for. */
  readonly #kept: Map<string, string[]>;
  readonly #done = new Set<string>();
  readonly #retryAt = new Map<string, number>();
  readonly #stopping = new AbortController();
  #ahead: readonly AheadBuild[] = [];
  #targets: ReadonlySet<string> = new Set();
  #isTold = false;
  #work: AbortController | undefined;
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;

  private constructor(options: PrefetcherOptions, kept: Map<string, string[]>) {
    this.#options = options;
    this.#kept = kept;
  }

  static async open(options: PrefetcherOptions): Promise<Prefetcher> {
    const text = await readIfThere(options.notePath);
    return new Prefetcher(options, new Map(Object.entries(text === undefined ? {} : readNote(text))));
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** What the newest key says. Whatever is being fetched ahead is left: there may be a target now. */
  follow({ prefetch, candidate, stable }: Pick<UnsignedVersionKey, 'prefetch' | 'candidate' | 'stable'>): void {
    this.#ahead = prefetch.slice(0, mostAhead);
    this.#targets = new Set([candidate, stable].flatMap((target) => (target ? [target.manifestDigest] : [])));
    this.#isTold = true;
    this.giveWay();
    this.#wake();
  }

  /** Leaves what is being fetched; it is gone on with when the machine has nothing else to do. */
  giveWay(): void {
    this.#work?.abort();
  }

  /** SHA-256 of the packs that must not be deleted. */
  packs(): string[] {
    return [...this.#kept.values()].flat();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.giveWay();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, isIdle, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (!this.#isTold || !this.#hasWork()) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      await clock.sleep(lookEveryMs, signal);
      if (signal.aborted || !isIdle()) continue;
      try {
        await this.#drop();
        for (const build of this.#ahead) await this.#bring(build);
      } catch (thrown) {
        log.warn({ err: thrown }, `fetching ahead failed: ${messageOf(thrown)}`);
      }
    }
  }

  #hasWork(): boolean {
    const named = new Set(this.#ahead.map(({ manifestDigest }) => manifestDigest));
    return this.#ahead.some((build) => !this.#isDone(build)) || [...this.#kept.keys()].some((one) => !named.has(one));
  }

  /** What was fetched over other bases may lack something over those that are here now. */
  #isDone({ manifestDigest }: AheadBuild): boolean {
    return this.#done.has(`${manifestDigest} ${this.#options.current() ?? ''}`);
  }

  async #drop(): Promise<void> {
    const { current, prunePacks, release } = this.#options;
    const isNamed = (digest: string) => this.#ahead.some(({ manifestDigest }) => manifestDigest === digest);
    const isToCome = (digest: string) => this.#targets.has(digest) && current() !== digest;
    const dropped = [...this.#kept.keys()].filter((digest) => !isNamed(digest) && !isToCome(digest));
    if (dropped.length === 0) return;
    for (const digest of dropped) {
      this.#kept.delete(digest);
      for (const done of this.#done) if (done.startsWith(digest)) this.#done.delete(done);
      await release(digest);
    }
    await this.#writeNote();
    await prunePacks();
  }

  async #bring(build: AheadBuild): Promise<void> {
    const { bring, clock, current, isIdle, log, onActive, release } = this.#options;
    const { manifestDigest: digest } = build;
    const isLater = clock.now() < (this.#retryAt.get(digest) ?? 0);
    if (isLater || this.#isDone(build) || !isIdle() || this.#stopping.signal.aborted) return;
    const over = `${digest} ${current() ?? ''}`;
    const work = new AbortController();
    this.#work = work;
    const ended = new AbortController();
    const watching = this.#watch(work, ended.signal);
    onActive(true);
    try {
      await bring(build, (packs) => this.#keep(digest, packs), work.signal);
      this.#done.add(over);
      log.info({ build: build.build }, 'fetched ahead');
    } catch (thrown) {
      await release(digest);
      if (work.signal.aborted) return;
      this.#retryAt.set(digest, clock.now() + retryAfterMs);
      log.warn({ err: thrown }, `${build.build} is not fetched ahead: ${messageOf(thrown)}`);
    } finally {
      onActive(false);
      ended.abort();
      this.#work = undefined;
      await watching;
    }
  }

  /** An update may begin without a new key: what failed is tried again, what keeps exiting is taken back. */
  async #watch(work: AbortController, ended: AbortSignal): Promise<void> {
    const { clock, isIdle } = this.#options;
    while (!ended.aborted) {
      await clock.sleep(lookEveryMs, ended);
      if (!ended.aborted && !isIdle()) work.abort();
    }
  }

  /** Noted before the first byte, so that a kill leaves nothing that is never deleted, and nothing is deleted that is to stay. */
  async #keep(digest: string, packs: string[]): Promise<void> {
    this.#kept.set(digest, [...new Set([...(this.#kept.get(digest) ?? []), ...packs])]);
    await this.#writeNote();
  }

  #writeNote(): Promise<void> {
    return writeDurably(this.#options.notePath, `${JSON.stringify(Object.fromEntries(this.#kept))}\n`);
  }
}

/** A note that cannot be read costs fetching again. */
function readNote(text: string): z.infer<typeof note> {
  try {
    return note.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
