import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';

// Whom each member of a swarm is told to fetch from: a pure function of who is there.
//
// The members are laid out on several rings, each in its own pseudo-random order, and each member is given its next
// neighbour on every ring: first on rings of its own rack, then on rings of all. The union of a few random rings is
// almost surely an expander, so pieces cross the swarm in a number of hops that grows with the logarithm of its size
// (Law & Siu, "Distributed construction of random expander networks", INFOCOM 2003). Every ring gives a member one
// neighbour and makes it the neighbour of one, so the degree is bounded both ways; and who joins or leaves changes
// one list on each ring, so that a fleet does not rewire itself for every newcomer.

export interface SwarmMember {
  machine: string;
  address: SwarmPeer;
  /** Members with the same rack are close to each other; undefined is a rack like any other. */
  rack: string | undefined;
  /** Has every piece: gives, and needs nobody. */
  isComplete: boolean;
}

export interface HandoutPolicy {
  /** The most peers a member is given, the hub included. */
  degree: number;
  /** How many of them are neighbours in the member's own rack, where it has that many. */
  inRack: number;
  /** How many members that still fetch are given the hub; the others reach it through them. */
  fromHub: number;
  seed: string;
}

export const defaultHandout: HandoutPolicy = { degree: 9, inRack: 5, fromHub: 64, seed: 'starling' };

/**
 * The peers of every member, by machine. The same members, in whatever order, give the same lists; in a swarm of at
 * most `degree` members everyone is given everyone. Members with every piece are given nobody. `hub` is undefined
 * while the hub itself does not seed this pack.
 */
export function handOut(
  members: readonly SwarmMember[],
  hub: SwarmPeer | undefined,
  policy: HandoutPolicy = defaultHandout,
): Map<string, SwarmPeer[]> {
  const lists = new Map<string, { member: SwarmMember; peers: Map<string, SwarmPeer>; limit: number }>();
  for (const member of members) lists.set(member.machine, { member, peers: new Map(), limit: policy.degree });

  if (hub) {
    const fetching = members.filter((member) => !member.isComplete);
    for (const { machine } of onRing(fetching, `${policy.seed} hub`).slice(0, policy.fromHub)) {
      lists.get(machine)?.peers.set('', hub);
    }
  }

  const byRack = Map.groupBy(members, (member) => member.rack);
  for (let turn = 0; turn < policy.inRack; turn += 1) {
    for (const rackMembers of byRack.values()) addNeighbours(rackMembers, `${policy.seed} rack ${turn}`);
  }
  // Two rings can give the same neighbour; a few more of them fill the lists that came out short.
  for (let turn = 0; turn < 2 * policy.degree; turn += 1) {
    const isFull = [...lists.values()].every(({ member, peers, limit }) => member.isComplete || peers.size >= limit);
    if (isFull) break;
    addNeighbours(members, `${policy.seed} all ${turn}`);
  }
  if (members.length <= policy.degree) addEveryone();

  return new Map(
    [...lists].map(([machine, { member, peers }]) => [machine, member.isComplete ? [] : [...peers.values()]]),
  );

  function addNeighbours(among: readonly SwarmMember[], ring: string): void {
    if (among.length < 2) return;
    const order = onRing(among, ring);
    for (const [place, member] of order.entries()) {
      const list = lists.get(member.machine);
      const neighbour = order[(place + 1) % order.length];
      if (list && neighbour && list.peers.size < list.limit) list.peers.set(neighbour.machine, neighbour.address);
    }
  }

  function addEveryone(): void {
    for (const { member, peers, limit } of lists.values()) {
      for (const other of onRing(members, policy.seed)) {
        if (other !== member && peers.size < limit) peers.set(other.machine, other.address);
      }
    }
  }
}

/** The members in the order of one ring. */
function onRing(members: readonly SwarmMember[], ring: string): SwarmMember[] {
  return members
    .map((member) => ({ member, place: placeOf(ring, member.machine) }))
    .sort((a, b) => a.place - b.place || (a.member.machine < b.member.machine ? -1 : 1))
    .map(({ member }) => member);
}

/** FNV-1a (32 bits), with the finalizer of MurmurHash3 because FNV alone leaves similar names close together. */
function placeOf(ring: string, machine: string): number {
  let hash = 0x811c9dc5;
  for (const text of [ring, '\n', machine]) {
    for (let index = 0; index < text.length; index += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    }
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
