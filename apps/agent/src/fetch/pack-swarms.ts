import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { AgentFrame, HubFrame, SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import type { ByteRange, Membership, Swarm } from '@starling/swarm/swarm.ts';
import type { Logger } from 'pino';
import { namesIn } from '../lib/folders.ts';
import { packFilesOf, packOfFile, rangesFilesOf, rangesPathOf } from './pack-files.ts';

export interface PackSwarmsOptions {
  swarm: Swarm;
  /** The folder of the packs. */
  folder: string;
  clock: Clock;
  log: Logger;
  /** Sends a frame to the hub, or drops it when there is no connection: the next announcement says the same. */
  send: (frame: AgentFrame) => void;
}

/** A pack and what is wanted of it. */
export interface WantedPack {
  pack: Pack;
  ranges: readonly ByteRange[];
}

interface Held {
  pack: Pack;
  /** What anybody wants of it; it only grows while the pack is held. */
  ranges: ByteRange[];
  /** How many of the ranges the membership was told of. */
  toldRanges: number;
  /** The projects that want it; when the last lets go, the swarm is left. */
  holders: Set<string>;
  membership: Membership | undefined;
  announceEveryMs: number;
  announcedAt: number;
}

/** Who holds the packs of a build that is fetched ahead: not the project, which lets go of what it has no use for now. */
export const aheadHolder = (project: string, manifestDigest: string): string => `${project} ${manifestDigest}`;

/** How often it looks whether to announce, and announces where the hub says nothing else. */
const lookEveryMs = 2_000;

/**
 * The swarms this machine is in. Each project says which packs it wants to be a member of; a pack that two projects
 * share is joined once and left when the last of them lets go. The hub is told of each every 2 s, or as often as
 * it said last.
 *
 * What is wanted changes at once; joining, leaving and deleting follow it, for each pack one after another and for
 * different packs side by side, because joining reads through what is in the file already.
 */
export class PackSwarms {
  /** Where the hub is in swarms, as it said last. */
  hub: SwarmPeer | undefined;
  readonly #options: PackSwarmsOptions;
  /** By the pack's SHA-256, as its file is named. */
  readonly #held = new Map<string, Held>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #stopping = new AbortController();
  #announcing: Promise<void> | undefined;

  constructor(options: PackSwarmsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#announcing ??= this.#announceForever();
  }

  path(sha256: string): string {
    return join(this.#options.folder, sha256);
  }

  /**
   * Where small parts of a pack are kept that came straight from the hub, beside a note of them (fetched-ranges.ts). They are not
   * served to others: of 2 MiB here and there hardly a whole piece can be made, and each machine would announce a swarm for
   * them; the hub sends them from its memory.
   */
  rangesPath(sha256: string): string {
    return rangesPathOf(this.path(sha256));
  }

  /** Deletes what came straight from the hub. */
  async discardRanges(sha256: string): Promise<void> {
    for (const file of rangesFilesOf(this.path(sha256))) await rm(file, { force: true });
  }

  /**
   * Joins the packs of which `project` wants something, and those that it only serves, and leaves those it held before and
   * no longer wants. Rejects when one that it wants something of cannot be joined; a failure of others is logged.
   */
  async holdOnly(project: string, wanted: readonly WantedPack[], served: readonly Pack[] = []): Promise<void> {
    const all = [...wanted, ...served.map((pack) => ({ pack, ranges: [] }))];
    const names = new Set(all.map(({ pack }) => pack.sha256));
    const left = [...this.#held.values()].filter(
      ({ holders, pack }) => holders.has(project) && !names.has(pack.sha256),
    );
    for (const { holders } of left) holders.delete(project);
    for (const { pack, ranges } of all) {
      const held = this.#held.get(pack.sha256) ?? {
        pack,
        ranges: [],
        toldRanges: 0,
        holders: new Set(),
        membership: undefined,
        announceEveryMs: lookEveryMs,
        announcedAt: 0,
      };
      held.holders.add(project);
      held.ranges.push(...ranges);
      this.#held.set(pack.sha256, held);
    }
    const needed = wanted.map(({ pack }) => this.#settle(pack));
    const others = [...served, ...left.map(({ pack }) => pack)].map((pack) =>
      this.#settle(pack).catch((thrown) =>
        this.#options.log.warn({ err: thrown }, `a pack cannot be served: ${messageOf(thrown)}`),
      ),
    );
    await Promise.all([...needed, ...others]);
  }

  /** The membership of a pack that is held. */
  membership(pack: Pack): Membership | undefined {
    return this.#held.get(pack.sha256)?.membership;
  }

  /** Leaves a pack's swarm, whoever held it, and deletes all that is here of it. */
  async discard(sha256: string): Promise<void> {
    const held = this.#held.get(sha256);
    held?.holders.clear();
    if (held) await this.#settle(held.pack);
    await this.#deleteUnheld(sha256);
  }

  /** Whether something of the pack is here (which does not say that it is right). */
  async hasFile(sha256: string): Promise<boolean> {
    const found = await stat(this.path(sha256)).catch(() => undefined);
    return found !== undefined && found.size > 0;
  }

  /** Deletes the packs that are neither in `needed` nor wanted by a project now. */
  async prune(needed: ReadonlySet<string>): Promise<void> {
    const packs = new Set((await namesIn(this.#options.folder)).map(packOfFile));
    for (const name of packs) if (!needed.has(name)) await this.#deleteUnheld(name);
  }

  setPeers({ infoHash, peers, slice, announceEveryMs }: Omit<Extract<HubFrame, { type: 'peers' }>, 'type'>): void {
    for (const held of this.#held.values()) {
      const { membership } = held;
      if (membership?.infoHash !== infoHash) continue;
      membership.setPeers(peers, slice);
      held.announceEveryMs = announceEveryMs ?? lookEveryMs;
    }
  }

  /** Tells the hub of every swarm at once: on a new connection it knows of none. */
  announceAll(): void {
    for (const held of this.#held.values()) this.#announce(held);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#announcing;
    for (const { holders } of this.#held.values()) holders.clear();
    await Promise.all([...this.#held.values()].map(({ pack }) => this.#settle(pack)));
  }

  /** Joins or leaves a pack's swarm, as is wanted when its turn comes. */
  #settle({ sha256 }: Pack): Promise<void> {
    return this.#inTurn(sha256, async () => {
      const held = this.#held.get(sha256);
      if (!held) return;
      if (held.holders.size === 0) await this.#leave(held);
      else if (!held.membership) await this.#join(held);
      else if (held.toldRanges < held.ranges.length) {
        held.membership.widen(held.ranges.slice(held.toldRanges));
        held.toldRanges = held.ranges.length;
        // The hub hears rarely of members that want nothing, and this is one no more.
        this.#announce(held);
      }
    });
  }

  async #join(held: Held): Promise<void> {
    const { pack } = held;
    try {
      const ranges = [...held.ranges];
      // Whose key it is does not matter, as long as others of the project have it too.
      const [project] = [...held.holders].map((holder) => holder.split(' ')[0]);
      held.membership = await this.#options.swarm.join(pack, this.path(pack.sha256), {
        ranges,
        ...(project !== undefined && { project }),
      });
      held.toldRanges = ranges.length;
    } catch (thrown) {
      this.#held.delete(pack.sha256);
      throw thrown;
    }
    this.#announce(held);
    held.membership.whenComplete(this.#stopping.signal).then(
      () => this.#announce(held),
      (thrown) => this.#options.log.debug({ pack: pack.sha256 }, `the pack was not completed: ${messageOf(thrown)}`),
    );
  }

  async #leave({ membership, pack }: Held): Promise<void> {
    this.#held.delete(pack.sha256);
    if (!membership) return;
    this.#options.send({ type: 'withdraw', infoHash: membership.infoHash });
    await membership
      .leave()
      .catch((thrown) => this.#options.log.warn({ pack: pack.sha256 }, `leaving a swarm failed: ${messageOf(thrown)}`));
  }

  #deleteUnheld(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      if (this.#held.has(name)) return;
      for (const file of packFilesOf(this.path(name))) await rm(file, { recursive: true, force: true });
    });
  }

  #announceDue(): void {
    const now = this.#options.clock.now();
    // Half a look early rather than one late.
    const isDue = ({ announcedAt, announceEveryMs }: Held) => now - announcedAt >= announceEveryMs - lookEveryMs / 2;
    for (const held of this.#held.values()) if (isDue(held)) this.#announce(held);
  }

  #announce(held: Held): void {
    const { membership, pack } = held;
    held.announcedAt = this.#options.clock.now();
    if (!membership || this.#held.get(pack.sha256)?.membership !== membership) return;
    // Of the whole pack, whatever is wanted of it here: others want other parts.
    const { bytesDone, bytesTotal, bytesHere } = membership.progress();
    const share = Math.min(1, Math.max(0, bytesHere / pack.sizeBytes));
    const wants = bytesDone < bytesTotal;
    this.#options.send({ type: 'announce', infoHash: membership.infoHash, share, wants });
  }

  async #announceForever(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#options.clock.sleep(lookEveryMs, signal);
      if (!signal.aborted) this.#announceDue();
    }
  }

  #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const mine = (this.#turns.get(name) ?? Promise.resolve()).then(work);
    const settled = mine
      .catch(() => undefined)
      .then(() => {
        if (this.#turns.get(name) === settled) this.#turns.delete(name);
      });
    this.#turns.set(name, settled);
    return mine;
  }
}
