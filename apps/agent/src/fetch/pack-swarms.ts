import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { AgentFrame, SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import type { Membership, Swarm } from '@starling/swarm/swarm.ts';
import type { Logger } from 'pino';
import { namesIn } from '../slots/slot-store.ts';

export interface PackSwarmsOptions {
  swarm: Swarm;
  /** The folder of the packs. */
  folder: string;
  clock: Clock;
  log: Logger;
  /** Sends a frame to the hub, or drops it when there is no connection: the next announcement says the same. */
  send: (frame: AgentFrame) => void;
}

interface Held {
  pack: Pack;
  holders: Set<string>;
  membership: Membership | undefined;
}

const announceEveryMs = 2_000;

/**
 * The swarms this machine is in. Each project says which packs it wants to be a member of; a pack that two projects
 * share is joined once and left when the last of them lets go. The hub is told of each every 2 s.
 */
export class PackSwarms {
  readonly #options: PackSwarmsOptions;
  readonly #held = new Map<string, Held>();
  readonly #stopping = new AbortController();
  /** Joins and leaves happen one after another, so that a pack is never joined while it is being left. */
  #turn: Promise<unknown> = Promise.resolve();
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
   * Joins the packs that `project` wants and leaves those it held before and no longer wants. Rejects when the first
   * of them cannot be joined; the others are only served to others, and a failure there is logged.
   */
  async holdOnly(project: string, packs: readonly Pack[]): Promise<void> {
    await this.#inTurn(async () => {
      const wanted = new Set(packs.map((pack) => pack.torrent.infoHash));
      for (const [infoHash, held] of this.#held) {
        if (held.holders.has(project) && !wanted.has(infoHash)) await this.#letGo(infoHash, held, project);
      }
      for (const [index, pack] of packs.entries()) {
        try {
          await this.#join(pack, project);
        } catch (thrown) {
          if (index === 0) throw thrown;
          this.#options.log.warn({ pack: pack.sha256 }, `a pack cannot be served: ${messageOf(thrown)}`);
        }
      }
    });
  }

  /** The membership of a pack that is held. */
  membership(pack: Pack): Membership | undefined {
    return this.#held.get(pack.torrent.infoHash)?.membership;
  }

  /** Leaves a pack's swarm, whoever held it, and deletes its file. */
  async discard(pack: Pack): Promise<void> {
    await this.#inTurn(async () => {
      const held = this.#held.get(pack.torrent.infoHash);
      if (held) {
        held.holders.clear();
        await this.#letGo(pack.torrent.infoHash, held, '');
      }
      await rm(this.path(pack.sha256), { force: true });
    });
  }

  /** Whether the pack's file has its full size (which does not say that its bytes are right). */
  async hasFile(pack: Pack): Promise<boolean> {
    const found = await stat(this.path(pack.sha256)).catch(() => undefined);
    return found?.size === pack.sizeBytes;
  }

  /** Deletes the packs that are neither in `needed` nor in a swarm now. */
  async prune(needed: ReadonlySet<string>): Promise<void> {
    await this.#inTurn(async () => {
      const joined = new Set([...this.#held.values()].map(({ pack }) => pack.sha256));
      for (const name of await namesIn(this.#options.folder)) {
        if (!needed.has(name) && !joined.has(name)) await rm(this.path(name), { recursive: true, force: true });
      }
    });
  }

  setPeers(infoHash: string, peers: readonly SwarmPeer[]): void {
    this.#held.get(infoHash)?.membership?.setPeers(peers);
  }

  /** Tells the hub of every swarm at once: on a new connection it knows of none. */
  announceAll(): void {
    for (const held of this.#held.values()) this.#announce(held);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#announcing;
    await this.#inTurn(async () => {
      for (const [infoHash, held] of this.#held) {
        held.holders.clear();
        await this.#letGo(infoHash, held, '');
      }
    });
  }

  async #join(pack: Pack, project: string): Promise<void> {
    const { infoHash } = pack.torrent;
    const known = this.#held.get(infoHash);
    if (known) {
      known.holders.add(project);
      return;
    }
    const held: Held = { pack, holders: new Set([project]), membership: undefined };
    this.#held.set(infoHash, held);
    try {
      held.membership = await this.#options.swarm.join(pack, this.path(pack.sha256));
    } catch (thrown) {
      this.#held.delete(infoHash);
      throw thrown;
    }
    this.#announce(held);
    held.membership.whenComplete(this.#stopping.signal).then(
      () => this.#announce(held),
      (thrown) => this.#options.log.debug({ infoHash }, `the pack was not completed: ${messageOf(thrown)}`),
    );
  }

  async #letGo(infoHash: string, held: Held, project: string): Promise<void> {
    held.holders.delete(project);
    if (held.holders.size > 0) return;
    this.#held.delete(infoHash);
    this.#options.send({ type: 'withdraw', infoHash });
    await held.membership
      ?.leave()
      .catch((thrown) => this.#options.log.warn({ infoHash }, `leaving a swarm failed: ${messageOf(thrown)}`));
  }

  #announce({ pack, membership }: Held): void {
    if (!membership || !this.#held.has(pack.torrent.infoHash)) return;
    const { bytesDone, bytesTotal } = membership.progress();
    const share = bytesTotal > 0 ? Math.min(1, Math.max(0, bytesDone / bytesTotal)) : 0;
    this.#options.send({ type: 'announce', infoHash: pack.torrent.infoHash, share });
  }

  async #announceForever(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#options.clock.sleep(announceEveryMs, signal);
      if (!signal.aborted) this.announceAll();
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
