import { defaultLaneLimits } from '@starling/swarm/lane-limits.ts';
import { choosePiece, isWorthTwice, mayCross } from '@starling/swarm/piece-choice.ts';
import { nextAsked, whoseTurn } from '@starling/swarm/turns.ts';
import { handOut, type SwarmMember } from '../hub/handout.ts';
import { EventHeap } from './event-heap.ts';

// A swarm as events. The same code as in the agents and the hub decides who meets whom (`handOut`), which piece is asked for
// where (`choosePiece`, `mayCross`), what is asked for twice at the end (`isWorthTwice`), and who is sent what first
// (`whoseTurn`, `nextAsked`).
//
// Modelled rather than run: the network. Each host has one queue for what it sends and one for what it receives, each rack one
// each way for its uplink; a piece takes its length divided by the rate in each, and passes through them at once
// rather than one after the other. So there is no TCP, no loss, no processor and no disk but a fixed time to verify
// a piece. What is said besides pieces arrives after a fixed time, and what others were promised is known at once.

export interface HostSetting {
  /** Bytes a second, each way. */
  rate: number;
  rack: string | undefined;
  /** When it learns of the pack, in seconds. */
  startAt: number;
  /** When it dies, in seconds. */
  endAt?: number;
}

export interface Setting {
  sizeBytes: number;
  pieceLength: number;
  /** The first is the seed, which has everything. */
  hosts: readonly HostSetting[];
  /** Bytes a second, each way, of a rack's uplink. */
  rackRate?: number;
  /** Of what is sent, the share that is payload. */
  payloadShare: number;
  /** From the last byte of a piece until others know that it is there, and one way of a message. */
  verifyMs: number;
  latencyMs: number;
  /** How soon, and how often, the hub works out who meets whom. */
  firstHandOutMs: number;
  handOutEveryMs: number;
  /** Until the hub knows that a member is dead. */
  deadAfterMs: number;
  /** 0 to 1, each time the next number. */
  random: () => number;
}

/** What the parts of a swarm that are not modelled take, wherever nothing else is known. */
export const usualTimings = {
  verifyMs: 5,
  latencyMs: 1,
  firstHandOutMs: 250,
  handOutEveryMs: 1_000,
  deadAfterMs: 3_000,
} as const;

export interface Outcome {
  /** By host: when it had everything, in seconds after it learned of the pack; undefined when it died. */
  seconds: (number | undefined)[];
  seedCopies: number;
  /** Pieces that came into racks, for each rack and piece. */
  crossings: number;
}

interface Host {
  index: number;
  name: string;
  rate: number;
  rack: string | undefined;
  has: Uint8Array;
  count: number;
  open: Uint8Array;
  openCount: number;
  claims: Map<number, Lane[]>;
  holders: Uint16Array;
  nearHolders: Uint16Array;
  sentAt: Float64Array;
  intakes: Map<string, Lane>;
  outlets: Set<Lane>;
  /** In the order in which they were last served, and since when. */
  waiting: Map<Lane, number>;
  /** By piece: 1 when it was sent to anyone. */
  gave: Uint8Array;
  isSending: boolean;
  downFree: number;
  sentPieces: number;
  startPiece: number;
  /** When it last asked for something, or got it. */
  busyAt: number;
  /** Lanes from hosts that have everything. */
  completeSources: number;
  startedAt: number;
  doneAt: number | undefined;
  state: 'waiting' | 'there' | 'dead';
  slice: { index: number; of: number } | undefined;
}

interface Lane {
  from: Host;
  to: Host;
  isNear: boolean;
  isClosed: boolean;
  asked: Map<number, number>;
  queue: number[];
  busyAt: number;
  rate: number | undefined;
}

type Happening = () => void;

const limits = defaultLaneLimits;
const tickMs = 500;
/** Times begin here, as 0 and 1 mean something to `choosePiece`. */
const originMs = 100_000;

export function simulate(setting: Setting): Outcome {
  const { pieceLength, sizeBytes, payloadShare } = setting;
  const pieceCount = Math.ceil(sizeBytes / pieceLength);
  const events = new EventHeap<Happening>();
  const rackFree = new Map<string, { in: number; out: number }>();
  let now = originMs;
  let crossings = 0;
  const hosts = setting.hosts.map(makeHost);
  const [seed] = hosts as [Host];
  seed.has.fill(1);
  seed.open.fill(0);
  Object.assign(seed, { count: pieceCount, openCount: 0, state: 'there', doneAt: now });
  let unfinished = hosts.length - 1;

  for (const host of hosts.slice(1)) {
    const { startAt, endAt } = setting.hosts[host.index] as HostSetting;
    events.push(originMs + startAt * 1_000, () => {
      host.state = 'there';
      host.startedAt = now;
    });
    if (endAt !== undefined) events.push(originMs + endAt * 1_000, () => die(host));
  }
  // The first lists are there soon after the first members; then they change with who comes and goes.
  events.push(originMs + setting.firstHandOutMs, handOutAll);
  events.push(originMs + tickMs, tick);
  while (unfinished > 0 && events.nextAt < originMs + 3_600_000) {
    now = events.nextAt;
    events.pop()();
  }
  const racks = new Set(hosts.map(({ rack }) => rack).filter((rack) => rack !== undefined)).size;
  return {
    seconds: hosts.map(({ doneAt, startedAt }) => (doneAt === undefined ? undefined : (doneAt - startedAt) / 1_000)),
    seedCopies: seed.sentPieces / pieceCount,
    crossings: racks === 0 ? 0 : crossings / racks / pieceCount,
  };

  function makeHost({ rate, rack }: HostSetting, index: number): Host {
    if (rack !== undefined) rackFree.set(rack, { in: 0, out: 0 });
    return {
      ...{ index, name: `host-${index}`, rate: (rate * payloadShare) / 1_000, rack },
      ...{
        has: new Uint8Array(pieceCount),
        count: 0,
        sentAt: new Float64Array(pieceCount),
        gave: new Uint8Array(pieceCount),
      },
      ...{ open: new Uint8Array(pieceCount).fill(1), openCount: pieceCount, claims: new Map() },
      ...{ holders: new Uint16Array(pieceCount), nearHolders: new Uint16Array(pieceCount) },
      ...{
        intakes: new Map(),
        outlets: new Set<Lane>(),
        waiting: new Map<Lane, number>(),
        isSending: false,
        downFree: 0,
        sentPieces: 0,
      },
      startPiece: Math.floor(setting.random() * pieceCount),
      completeSources: 0,
      busyAt: originMs,
      ...{ startedAt: originMs, doneAt: undefined, state: 'waiting', slice: undefined },
    };
  }

  function handOutAll(): void {
    const there = hosts.filter(({ state, index }) => state === 'there' && index > 0);
    const members = there.map(
      ({ name, index, rack, count }): SwarmMember => ({
        ...{ machine: name, address: { host: name, port: index + 1 }, rack },
        ...{ share: Math.floor((count / pieceCount) * 16) / 16, isFetching: count < pieceCount },
      }),
    );
    for (const [machine, { peers, slice }] of handOut(members, { host: seed.name, port: 1 })) {
      const host = hosts[Number(machine.slice(5))] as Host;
      host.slice = slice;
      const named = new Set(peers.map((peer) => peer.host));
      for (const [name, lane] of host.intakes) if (!named.has(name)) closeLane(lane);
      if (host.count === pieceCount) continue;
      for (const { port, near } of peers) openLane(hosts[port - 1] as Host, host, near ?? false);
    }
    for (const host of there) fillAll(host);
    events.push(now + setting.handOutEveryMs, handOutAll);
  }

  function tick(): void {
    for (const host of hosts) if (host.state === 'there' && host.count < pieceCount) fillAll(host);
    events.push(now + tickMs, tick);
  }

  function openLane(from: Host, to: Host, isNear: boolean): void {
    if (to.intakes.has(from.name) || from.state !== 'there') return;
    const lane: Lane = {
      ...{ from, to, isNear, isClosed: false, asked: new Map(), queue: [] },
      ...{ busyAt: now, rate: undefined },
    };
    to.intakes.set(from.name, lane);
    if (from.count === pieceCount) to.completeSources += 1;
    from.outlets.add(lane);
    for (let piece = 0; piece < pieceCount; piece += 1) countHolder(lane, piece, from.has[piece] as number);
  }

  function countHolder({ to, isNear }: Lane, piece: number, by: number): void {
    to.holders[piece]! += by;
    if (isNear) to.nearHolders[piece]! += by;
  }

  function closeLane(lane: Lane): void {
    lane.isClosed = true;
    if (lane.from.count === pieceCount) lane.to.completeSources -= 1;
    lane.to.intakes.delete(lane.from.name);
    lane.from.outlets.delete(lane);
    for (let piece = 0; piece < pieceCount; piece += 1) countHolder(lane, piece, -(lane.from.has[piece] as number));
    for (const piece of lane.asked.keys()) {
      unclaim(lane, piece);
      if (lane.from.sentAt[piece] === Number.POSITIVE_INFINITY) lane.from.sentAt[piece] = 0;
    }
    lane.asked.clear();
    lane.queue.length = 0;
  }

  function unclaim(lane: Lane, piece: number): void {
    const { to } = lane;
    const left = (to.claims.get(piece) ?? []).filter((other) => other !== lane);
    if (left.length > 0) {
      to.claims.set(piece, left);
      return;
    }
    if (!to.claims.delete(piece) || to.has[piece]) return;
    to.open[piece] = 1;
    to.openCount += 1;
  }

  function die(host: Host): void {
    if (host.doneAt === undefined) unfinished -= 1;
    host.state = 'dead';
    events.push(now + setting.deadAfterMs, () => {
      for (const lane of [...host.intakes.values(), ...host.outlets]) closeLane(lane);
    });
  }

  function fillAll(host: Host): void {
    for (const lane of host.intakes.values()) fill(lane);
  }

  function fill(lane: Lane): void {
    const { to, from } = lane;
    if (lane.isClosed || to.count === pieceCount || to.state !== 'there') return;
    const aheadBytes = Math.min(limits.askAheadBytes, ((lane.rate ?? 0) * limits.askAheadMs) / 1_000);
    const ahead = Math.max(2, Math.min(32, Math.ceil(aheadBytes / pieceLength)));
    while (lane.asked.size < ahead) {
      const piece = choose(lane);
      if (piece === undefined) return;
      if (to.open[piece]) to.openCount -= 1;
      to.open[piece] = 0;
      to.claims.set(piece, [...(to.claims.get(piece) ?? []), lane]);
      lane.asked.set(piece, now);
      lane.busyAt = now;
      to.busyAt = now;
      lane.queue.push(piece);
      from.sentAt[piece] = Number.POSITIVE_INFINITY;
      if (!from.waiting.has(lane)) from.waiting.set(lane, now);
      send(from);
    }
  }

  function choose(lane: Lane): number | undefined {
    const { to, from } = lane;
    const crossing =
      lane.isNear || !to.slice
        ? undefined
        : {
            slice: to.slice,
            nearHolders: to.nearHolders,
            idleMs: to.claims.size > 0 ? 0 : now - to.busyAt,
            neighbourMs: limits.neighbourMs,
          };
    if (to.openCount > 0) {
      const chosen = choosePiece({
        ...{ open: to.open, holders: to.holders, sourceHas: from.has, sourceSentAt: from.sentAt },
        ...{ isSourceComplete: from.count === pieceCount, startAt: to.startPiece, now },
        completeSources: to.completeSources,
        isPatient: lane.asked.size > 0 || now - lane.busyAt < limits.impatientAfterMs,
        ...{ comingMs: limits.comingMs, sparedMs: limits.sparedMs, crossing },
      });
      if (chosen !== undefined) return chosen;
    }
    if (lane.asked.size > 0) return undefined;
    for (const [piece, claimants] of to.claims) {
      const [there] = claimants;
      if (claimants.length !== 1 || !there || there === lane || !from.has[piece]) continue;
      if (crossing && !mayCross(piece, crossing)) continue;
      const before = [...there.asked.keys()].indexOf(piece) + 1;
      const claim = {
        askedAt: there.asked.get(piece) ?? now,
        bytesAhead: before * pieceLength,
        bytesPerSecond: there.rate,
      };
      if (isWorthTwice(claim, pieceLength, lane.rate, now)) return piece;
    }
    return undefined;
  }

  /** The source's turn: one piece after another, one receiver after another. */
  function send(from: Host): void {
    if (from.isSending || from.state !== 'there') return;
    const lane = whoseTurn(from.waiting.keys(), turnOf, now, limits.turnPatienceMs);
    if (!lane) return;
    from.waiting.delete(lane);
    if (lane.queue.length === 0 || lane.isClosed) {
      send(from);
      return;
    }
    const [piece] = lane.queue.splice(nextAsked(lane.queue, from.gave), 1) as [number];
    if (lane.queue.length > 0) from.waiting.set(lane, now);
    const { to } = lane;
    const bytes = Math.min(pieceLength, sizeBytes - piece * pieceLength);
    const upFree = now + bytes / from.rate;
    let end = Math.max(upFree, to.downFree + bytes / to.rate, now + bytes / to.rate);
    if (setting.rackRate !== undefined && from.rack !== to.rack) {
      const took = bytes / ((setting.rackRate * payloadShare) / 1_000);
      const out = from.rack === undefined ? undefined : rackFree.get(from.rack);
      const into = to.rack === undefined ? undefined : rackFree.get(to.rack);
      if (out) end = Math.max(end, (out.out = Math.max(out.out, now) + took));
      if (into) end = Math.max(end, (into.in = Math.max(into.in, now) + took));
    }
    if (to.rack !== undefined && from.rack !== to.rack) crossings += 1;
    to.downFree = end;
    from.sentPieces += 1;
    from.gave[piece] = 1;
    from.isSending = true;
    events.push(upFree, () => {
      from.isSending = false;
      send(from);
    });
    events.push(end + setting.verifyMs + setting.latencyMs, () => arrive(lane, piece));
  }

  function turnOf(lane: Lane) {
    const { gave, waiting } = lane.from;
    return { wantsUngiven: lane.queue.some((piece) => gave[piece] === 0), since: waiting.get(lane) ?? now };
  }

  function arrive(lane: Lane, piece: number): void {
    const { from, to } = lane;
    if (to.state !== 'there' || from.state === 'dead') return;
    const askedAt = lane.asked.get(piece) ?? lane.busyAt;
    const rate = (pieceLength / Math.max(1, now - Math.max(askedAt, lane.busyAt))) * 1_000;
    lane.rate = lane.rate === undefined ? rate : 0.7 * lane.rate + 0.3 * rate;
    lane.busyAt = now;
    to.busyAt = now;
    lane.asked.delete(piece);
    from.sentAt[piece] = now;
    if (!to.has[piece]) mark(to, piece);
    fill(lane);
  }

  function mark(host: Host, piece: number): void {
    host.has[piece] = 1;
    host.count += 1;
    if (host.open[piece]) host.openCount -= 1;
    host.open[piece] = 0;
    for (const lane of host.claims.get(piece) ?? []) {
      lane.asked.delete(piece);
      const at = lane.queue.indexOf(piece);
      if (at >= 0) lane.queue.splice(at, 1);
    }
    host.claims.delete(piece);
    if (host.count === pieceCount) {
      host.doneAt = now;
      unfinished -= 1;
      for (const lane of [...host.intakes.values()]) closeLane(lane);
    }
    for (const lane of host.outlets) {
      countHolder(lane, piece, 1);
      if (host.count === pieceCount) lane.to.completeSources += 1;
      // There was nothing to ask it for, so only this piece can be new.
      if (lane.to.open[piece] && lane.asked.size < 2) fill(lane);
    }
  }
}
