import type { HandedPeer, SwarmPeer } from '@starling/shared/hub-protocol.ts';
import { announceEveryMs } from './announce-interval.ts';
import { defaultHandout, type Handout, type HandoutPolicy, handOut, type SwarmMember } from './handout.ts';

/** The label that says which machines are close to each other. */
const rackLabel = 'rack';
/** How much a member has changes with every announcement; told apart only so finely, it rewires nothing. */
const shareSteps = 16;
/** Of the time between two handouts of a swarm, working them out takes at most this share. */
const busyShare = 0.05;

export interface TrackerOptions {
  /** The hub's own seeder, or undefined while it does not seed this pack. */
  hubFor: (infoHash: string) => SwarmPeer | undefined;
  send: (machine: string, infoHash: string, handout: Handout, announceEveryMs: number) => void;
  /** Whether nobody is to be told of this machine for now. */
  isPutAside?: (machine: string) => boolean;
  policy?: HandoutPolicy;
  /** What may come into a rack from outside it now, in bytes a second; undefined without a limit. */
  rackRate?: () => number | undefined;
  /** Milliseconds that only ever grow. */
  elapsedMs?: () => number;
}

export interface Announced {
  address: SwarmPeer;
  labels: Record<string, string>;
  /** Of the pack, 0 to 1. */
  share: number;
  wants: boolean;
}

interface TrackedSwarm {
  members: Map<string, SwarmMember>;
  /** What each member was told last, as text to compare with. */
  told: Map<string, string>;
  isDue: boolean;
  notBefore: number;
}

/**
 * Who is in which swarm, and who was told of whom. What agents announce changes only this record; the lists are
 * worked out and sent by `handOutDue`, which the hub calls a few times a second at most: for a large swarm less often,
 * so that it never holds up the hub for long.
 */
export class Tracker {
  readonly #options: TrackerOptions;
  readonly #elapsedMs: () => number;
  readonly #swarms = new Map<string, TrackedSwarm>();
  #rackRate: number | undefined;

  constructor(options: TrackerOptions) {
    this.#options = options;
    this.#elapsedMs = options.elapsedMs ?? (() => performance.now());
  }

  announce(infoHash: string, machine: string, from: Announced): void {
    const swarm = this.#swarms.get(infoHash) ?? { members: new Map(), told: new Map(), isDue: true, notBefore: 0 };
    this.#swarms.set(infoHash, swarm);
    const member: SwarmMember = {
      machine,
      address: from.address,
      rack: from.labels[rackLabel],
      share: Math.floor(from.share * shareSteps) / shareSteps,
      isFetching: from.share < 1 && from.wants,
    };
    const known = swarm.members.get(machine);
    if (known && JSON.stringify(known) === JSON.stringify(member)) return;
    swarm.members.set(machine, member);
    swarm.isDue = true;
  }

  withdraw(infoHash: string, machine: string): void {
    const swarm = this.#swarms.get(infoHash);
    if (!swarm?.members.delete(machine)) return;
    swarm.told.delete(machine);
    swarm.isDue = true;
    if (swarm.members.size === 0) this.#swarms.delete(infoHash);
  }

  /** The machine is gone, with everything it had. */
  drop(machine: string): void {
    for (const infoHash of [...this.#swarms.keys()]) this.withdraw(infoHash, machine);
  }

  /** The hub began or ceased to seed this pack. */
  hubChanged(infoHash: string): void {
    const swarm = this.#swarms.get(infoHash);
    if (swarm) swarm.isDue = true;
  }

  /** It is put aside, or no longer. */
  trustChanged(machine: string): void {
    for (const swarm of this.#swarms.values()) if (swarm.members.has(machine)) swarm.isDue = true;
  }

  /** Which machine is at this address, if `machine` was told of it. */
  toldOf(infoHash: string, machine: string, { host, port }: SwarmPeer): string | undefined {
    const swarm = this.#swarms.get(infoHash);
    const [peers = []] = JSON.parse(swarm?.told.get(machine) ?? '[]') as [HandedPeer[]?];
    if (!swarm || !peers.some((peer) => peer.host === host && peer.port === port)) return undefined;
    for (const { machine: other, address } of swarm.members.values())
      if (address.host === host && address.port === port) return other;
    return undefined;
  }

  /** How many members each swarm has, how many of them have everything, and how many fetch. */
  describe(): { infoHash: string; members: number; complete: number; fetching: number }[] {
    return [...this.#swarms].map(([infoHash, { members }]) => {
      const all = [...members.values()];
      return {
        infoHash,
        members: all.length,
        complete: all.filter(({ share }) => share >= 1).length,
        fetching: all.filter(({ isFetching }) => isFetching).length,
      };
    });
  }

  /** Who is put aside still fetches, from the hub alone. */
  #listsOf(members: SwarmMember[], hub: SwarmPeer | undefined): Map<string, Handout> {
    const { isPutAside = () => false } = this.#options;
    const policy = { ...(this.#options.policy ?? defaultHandout), rackBytesPerSecond: this.#rackRate };
    const { aside = [], trusted = [] } = Object.groupBy(members, ({ machine }) =>
      isPutAside(machine) ? 'aside' : 'trusted',
    );
    const lists = handOut(trusted, hub, policy);
    for (const { machine, isFetching } of aside)
      lists.set(machine, { peers: hub && isFetching ? [hub] : [], slice: undefined });
    return lists;
  }

  /** A limit by the hour changes, and several swarms share it, so everyone is told anew when it does. */
  #lookAtRackRate(): void {
    const rate = this.#options.rackRate?.();
    if (rate === undefined && this.#rackRate === undefined) return;
    const moving = [...this.#swarms.values()].filter(({ members }) =>
      members.values().some(({ isFetching }) => isFetching),
    );
    const share = rate && rate / Math.max(1, moving.length);
    if (share === this.#rackRate) return;
    this.#rackRate = share;
    for (const swarm of this.#swarms.values()) swarm.isDue = true;
  }

  /** Works out the lists of the swarms in which something changed, and sends those that differ from the last. */
  handOutDue(): void {
    const { hubFor, send } = this.#options;
    this.#lookAtRackRate();
    for (const [infoHash, swarm] of this.#swarms) {
      const startedAt = this.#elapsedMs();
      if (!swarm.isDue || startedAt < swarm.notBefore) continue;
      swarm.isDue = false;
      const members = [...swarm.members.values()];
      const lists = this.#listsOf(members, hubFor(infoHash));
      const everyMs = announceEveryMs(members.length, members.filter(({ isFetching }) => isFetching).length);
      for (const [machine, handout] of lists) {
        const text = JSON.stringify([handout.peers, handout.slice, everyMs]);
        if (swarm.told.get(machine) === text) continue;
        swarm.told.set(machine, text);
        send(machine, infoHash, handout, everyMs);
      }
      const endedAt = this.#elapsedMs();
      swarm.notBefore = endedAt + (endedAt - startedAt) / busyShare;
    }
  }
}
