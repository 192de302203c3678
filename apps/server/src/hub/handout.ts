import type { HandedPeer, RackSlice, SwarmPeer } from '@starling/shared/hub-protocol.ts';

// Whom each member of a swarm is told to fetch from: a pure function of who is there.
//
// The members are laid out on several rings, each in its own pseudo-random order, and each member is given its next
// neighbour on every ring: first on rings of its own rack, then on rings of all. The union of a few random rings is
// almost surely an expander, so pieces cross the swarm in a number of hops that grows with the logarithm of its size
// (Law & Siu, "Distributed construction of random expander networks", INFOCOM 2003). Every ring gives a member one
// neighbour and makes it the neighbour of one, so the degree is bounded both ways; and who joins or leaves changes
// one list on each ring, so that a fleet does not rewire itself for every newcomer. Who is far behind has little to give, and is
// passed over: its neighbour on the ring is given the next one that keeps up.
//
// What crosses the uplink of a rack should do so once. So the pieces are dealt out among the members of a rack, each
// brings its own from outside, and they give them to each other. Who is far behind is dealt none.

export interface SwarmMember {
  machine: string;
  address: SwarmPeer;
  /** Members with the same rack are close to each other; undefined is a rack like any other, with no uplink to spare. */
  rack: string | undefined;
  /** Of the pack, how much it has: 0 to 1. */
  share: number;
  /** Fetches; otherwise it gives what it has and needs nobody. */
  isFetching: boolean;
}

export interface HandoutPolicy {
  /** The most peers a member is given, the hub included. */
  degree: number;
  /** How many of them are neighbours in the member's own rack, where it has that many. */
  inRack: number;
  /** How many members that still fetch are given the hub; the others reach it through them. */
  fromHub: number;
  /** Who has less than the middle one by so much of the pack gives nobody anything, and brings nothing into its rack. */
  farBehind: number;
  seed: string;
  /** What may come into each rack by this swarm, in bytes a second; it is divided among those that bring something in. */
  rackBytesPerSecond?: number | undefined;
}

export const defaultHandout: HandoutPolicy = { degree: 9, inRack: 5, fromHub: 256, farBehind: 0.1, seed: 'starling' };

export interface Handout {
  peers: HandedPeer[];
  /** Undefined when the member may bring in whatever it likes. */
  slice: RackSlice | undefined;
}

interface List {
  member: SwarmMember;
  peers: Map<string, HandedPeer>;
}

/**
 * The peers of every member, by machine. The same members, in whatever order, give the same lists; in a swarm of at
 * most `degree` members everyone is given everyone. Members that do not fetch are given nobody. `hub` is undefined
 * while the hub itself does not seed this pack.
 */
export function handOut(
  members: readonly SwarmMember[],
  hub: SwarmPeer | undefined,
  policy: HandoutPolicy = defaultHandout,
): Map<string, Handout> {
  const lists = new Map<string, List>();
  for (const member of members) lists.set(member.machine, { member, peers: new Map() });
  const isBehind = farBehind(
    members.filter(({ isFetching }) => isFetching),
    policy,
  );
  const byRack = Map.groupBy(members, (member) => member.rack);

  if (hub) {
    const fetching = members.filter(({ isFetching }) => isFetching);
    for (const { machine } of onRing(fetching, `${policy.seed} hub`).slice(0, policy.fromHub))
      lists.get(machine)?.peers.set('', hub);
  }
  for (let turn = 0; turn < policy.inRack; turn += 1) {
    for (const rackMembers of byRack.values()) addNeighbours(rackMembers, `${policy.seed} rack ${turn}`);
  }
  // Two rings can give the same neighbour; a few more of them fill the lists that came out short.
  for (let turn = 0; turn < 2 * policy.degree; turn += 1) {
    const isFull = [...lists.values()].every(({ member, peers }) => !member.isFetching || peers.size >= policy.degree);
    if (isFull) break;
    addNeighbours(members, `${policy.seed} all ${turn}`);
  }
  if (members.length <= policy.degree) addEveryone();

  const slices = new Map<string, RackSlice>();
  for (const [rack, rackMembers] of byRack) if (rack !== undefined) dealOut(rackMembers, policy, slices);
  return new Map(
    [...lists].map(([machine, { member, peers }]) => [
      machine,
      member.isFetching ? { peers: [...peers.values()], slice: slices.get(machine) } : { peers: [], slice: undefined },
    ]),
  );

  function addNeighbours(among: readonly SwarmMember[], ring: string): void {
    if (among.length < 2) return;
    const order = onRing(among, ring);
    // Backwards, so that the nearest that keeps up is known at every place; the first round only finds it.
    let neighbour: SwarmMember | undefined;
    for (let step = 2 * order.length - 1; step >= 0; step -= 1) {
      const member = order[step % order.length] as SwarmMember;
      if (step < order.length)
        add(member, !neighbour || neighbour === member ? (order[(step + 1) % order.length] as SwarmMember) : neighbour);
      if (!isBehind(member)) neighbour = member;
    }
  }

  function addEveryone(): void {
    const order = onRing(members, policy.seed);
    for (const { member } of lists.values()) for (const other of order) if (other !== member) add(member, other);
  }

  function add(member: SwarmMember, other: SwarmMember): void {
    const list = lists.get(member.machine);
    if (!list || list.peers.size >= policy.degree) return;
    const isNear = member.rack !== undefined && member.rack === other.rack;
    list.peers.set(other.machine, isNear ? { ...other.address, near: true } : other.address);
  }
}

/** Deals the pieces out among those of a rack that fetch and keep up. */
function dealOut(rackMembers: readonly SwarmMember[], policy: HandoutPolicy, slices: Map<string, RackSlice>): void {
  const fetching = rackMembers.filter(({ isFetching }) => isFetching);
  const cap = policy.rackBytesPerSecond;
  if (rackMembers.length < 2 && cap === undefined) return;
  const isBehind = farBehind(fetching, policy);
  const order = onRing(fetching, `${policy.seed} slice`);
  const bringing = order.filter((member) => !isBehind(member));
  const limit = cap === undefined ? {} : { bytesPerSecond: cap / Math.max(1, bringing.length) };
  for (const [index, { machine }] of bringing.entries()) slices.set(machine, { index, of: bringing.length, ...limit });
  // No number leaves a rest as large as what it is divided by.
  for (const member of order)
    if (isBehind(member)) slices.set(member.machine, { index: bringing.length, of: bringing.length, ...limit });
}

/** Who has much less than the middle one of them. */
function farBehind(members: readonly SwarmMember[], { farBehind }: HandoutPolicy): (member: SwarmMember) => boolean {
  const shares = members.map(({ share }) => share).sort((a, b) => a - b);
  const middle = shares[Math.floor(shares.length / 2)] ?? 0;
  return ({ share }) => share < middle - farBehind;
}

/** The members in the order of one ring. */
function onRing(members: readonly SwarmMember[], ring: string): SwarmMember[] {
  const start = hashOf(0x811c9dc5, `${ring}\n`);
  return members
    .map((member) => ({ member, place: placeOf(start, member.machine) }))
    .sort((a, b) => a.place - b.place || (a.member.machine < b.member.machine ? -1 : 1))
    .map(({ member }) => member);
}

/** FNV-1a (32 bits), with the finalizer of MurmurHash3 because FNV alone leaves similar names close together. */
function placeOf(start: number, machine: string): number {
  let hash = hashOf(start, machine);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function hashOf(start: number, text: string): number {
  let hash = start;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}
