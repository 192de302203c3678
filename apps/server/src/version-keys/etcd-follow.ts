import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { EtcdCluster, StoredValue } from './etcd-cluster.ts';
import type { OnTrouble } from './version-key-store.ts';

const shortestPauseMs = 250;
const longestPauseMs = 5_000;
/** A connection that held for this long was a good one: the pauses begin anew. */
const goodConnectionMs = 5_000;

export interface FollowOptions {
  cluster: EtcdCluster;
  /** Every key from `from` up to but not including `end`. */
  from: string;
  end: string;
  onValue: (stored: StoredValue) => void;
  /** The longest a write can stay unseen when the connection hangs, in milliseconds. */
  checkEveryMs: number;
  /** Told why nothing can be learned, and undefined once what is there has been read. */
  onTrouble: OnTrouble;
  clock: Clock;
  log: Logger;
}

/**
 * Gives out what is stored in a range of keys, then what is written to them, until `signal` is aborted. What was written
 * while the connection was cut comes after it: from etcd's history where it is kept, else as what is there now.
 */
export async function follow(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, from } = options;
  const follower = new Follower(options);
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = clock.now();
    let why = 'the connection ended';
    try {
      await follower.connection(signal);
    } catch (thrown) {
      why = messageOf(thrown);
    }
    if (signal.aborted) return;
    failures = clock.now() - startedAt >= goodConnectionMs ? 1 : failures + 1;
    // One cut connection is nothing to worry about; that the next fails too is.
    log[failures > 1 ? 'warn' : 'info'](`following ${from}: ${why}`);
    if (failures > 1) options.onTrouble(why);
    const pauseMs = Math.min(longestPauseMs, shortestPauseMs * 2 ** (failures - 1));
    await clock.sleep(pauseMs * (0.5 + Math.random() / 2), signal);
  }
}

class Follower {
  readonly #options: FollowOptions;
  /** What was given out last of each key. */
  readonly #given = new Map<string, number>();
  /** Everything up to this revision has been given out. */
  #revision = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** Catches up and follows for as long as one connection lasts. */
  async connection(signal: AbortSignal): Promise<void> {
    const { cluster, from, end, log } = this.#options;
    await this.#catchUp(signal);
    this.#options.onTrouble(undefined);
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    let defect: unknown;
    const checking = this.#check(either)
      .catch((thrown: unknown) => {
        if (!either.aborted) defect = thrown;
      })
      .finally(() => ending.abort());
    try {
      for await (const frame of cluster.watch(from, end, this.#revision + 1, either)) {
        if (frame.kind === 'created') continue;
        if (frame.kind === 'compacted') throw new Error('its history is no longer kept; reading what is there now');
        for (const stored of frame.values) this.#give(stored);
        for (const key of frame.deleted) log.warn(`${key} was deleted by someone else; machines keep what they know`);
        this.#revision = Math.max(this.#revision, frame.revision);
      }
    } finally {
      ending.abort();
      await checking;
    }
    if (defect) throw defect;
  }

  /** A connection can hang without an end, so ask now and then. Rejects when the connection is of no use. */
  async #check(signal: AbortSignal): Promise<void> {
    const { checkEveryMs, clock } = this.#options;
    for (;;) {
      await clock.sleep(checkEveryMs, signal);
      if (signal.aborted) return;
      if (await this.#catchUp(signal)) throw new Error('the connection did not bring what was written');
    }
  }

  /**
   * Gives out what was written since the last time, whether etcd still has its history or not. True when there was
   * something, or when the cluster has been set up anew or from a backup, so that its revisions count from there.
   */
  async #catchUp(signal: AbortSignal): Promise<boolean> {
    const { cluster, from, end, log } = this.#options;
    const known = this.#revision;
    const since = await cluster.range(from, { end, fromRevision: known + 1, signal });
    if (since.revision >= known) {
      const given = since.values.filter((stored) => this.#give(stored));
      this.#revision = Math.max(this.#revision, since.revision);
      return given.length > 0;
    }
    log.warn(`${from}: the cluster knows less than it did; reading everything`);
    const all = await cluster.range(from, { end, signal });
    this.#given.clear();
    for (const stored of all.values) this.#give(stored);
    this.#revision = all.revision;
    return true;
  }

  /** False when it, or something later of its key, was given out before. */
  #give(stored: StoredValue): boolean {
    if ((this.#given.get(stored.key) ?? 0) >= stored.modRevision) return false;
    this.#options.onValue(stored);
    this.#given.set(stored.key, stored.modRevision);
    return true;
  }
}
