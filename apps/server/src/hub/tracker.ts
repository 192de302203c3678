import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import { defaultHandout, type HandoutPolicy, handOut, type SwarmMember } from './handout.ts';

/** The label that says which machines are close to each other. */
const rackLabel = 'rack';

export interface TrackerOptions {
  /** The hub's own seeder, or undefined while it does not seed this pack. */
  hubFor: (infoHash: string) => SwarmPeer | undefined;
  send: (machine: string, infoHash: string, peers: SwarmPeer[]) => void;
  policy?: HandoutPolicy;
}

interface TrackedSwarm {
  members: Map<string, SwarmMember>;
  /** What each member was told last, as text to compare with. */
  told: Map<string, string>;
  isDue: boolean;
}

/**
 * Who is in which swarm, and who was told of whom. What agents announce changes only this record; the lists are
 * worked out and sent by `handOutDue`, which the hub calls a few times a second at most.
 */
export class Tracker {
  readonly #options: TrackerOptions;
  readonly #swarms = new Map<string, TrackedSwarm>();

  constructor(options: TrackerOptions) {
    this.#options = options;
  }

  announce(
    infoHash: string,
    machine: string,
    from: { address: SwarmPeer; labels: Record<string, string>; share: number },
  ): void {
    const swarm = this.#swarms.get(infoHash) ?? { members: new Map(), told: new Map(), isDue: true };
    this.#swarms.set(infoHash, swarm);
    const member: SwarmMember = {
      machine,
      address: from.address,
      rack: from.labels[rackLabel],
      isComplete: from.share >= 1,
    };
    const known = swarm.members.get(machine);
    // How much a member has matters only at the end; its every announcement must not rewire the swarm.
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

  /** How many members each swarm has, and how many of them have everything. */
  describe(): { infoHash: string; members: number; complete: number }[] {
    return [...this.#swarms].map(([infoHash, { members }]) => ({
      infoHash,
      members: members.size,
      complete: [...members.values()].filter(({ isComplete }) => isComplete).length,
    }));
  }

  /** Works out the lists of the swarms in which something changed, and sends those that differ from the last. */
  handOutDue(): void {
    const { hubFor, send, policy } = this.#options;
    for (const [infoHash, swarm] of this.#swarms) {
      if (!swarm.isDue) continue;
      swarm.isDue = false;
      const lists = handOut([...swarm.members.values()], hubFor(infoHash), policy ?? defaultHandout);
      for (const [machine, peers] of lists) {
        const text = JSON.stringify(peers);
        if (swarm.told.get(machine) === text) continue;
        swarm.told.set(machine, text);
        send(machine, infoHash, peers);
      }
    }
  }
}
