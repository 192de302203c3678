import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultHandout, type Handout, handOut, type SwarmMember } from './handout.ts';

const hub: SwarmPeer = { host: 'hub', port: 1 };
const member = (machine: string, rack?: string, share = 0): SwarmMember => ({
  machine,
  address: { host: machine, port: 7_000 },
  rack,
  share,
  isFetching: share < 1,
});
const fleet = (size: number, racks: number) =>
  Array.from({ length: size }, (_, index) => member(`m${index}`, `r${index % racks}`));
const hostsOf = (told: Handout | undefined) => (told?.peers ?? []).map(({ host }) => host);

const anyMembers = fc.uniqueArray(
  fc.record({
    machine: fc.stringMatching(/^[a-z0-9]{1,6}$/),
    rack: fc.option(fc.constantFrom('r1', 'r2', 'r3', 'r4'), { nil: undefined }),
    share: fc.constantFrom(0, 0.5, 1),
  }),
  { selector: ({ machine }) => machine, maxLength: 120 },
);

describe('handOut', () => {
  it('gives a member that is alone the hub', () => {
    expect(handOut([member('a')], hub).get('a')?.peers).toEqual([hub]);
    expect(handOut([member('a')], undefined).get('a')?.peers).toEqual([]);
  });

  it('gives everyone everyone in a small swarm', () => {
    const lists = handOut(fleet(5, 2), hub);
    expect(hostsOf(lists.get('m2')).sort()).toEqual(['hub', 'm0', 'm1', 'm3', 'm4']);
  });

  it('gives members with every piece nobody, and others them', () => {
    const lists = handOut([member('a'), member('b', undefined, 1)], hub);
    expect(lists.get('b')?.peers).toEqual([]);
    expect(hostsOf(lists.get('a')).sort()).toEqual(['b', 'hub']);
  });

  it('prefers the own rack and still reaches beyond it', () => {
    const members = fleet(400, 20);
    const racks = new Map(members.map(({ machine, rack }) => [machine, rack]));
    const lists = handOut(members, hub);
    for (const { machine, rack } of members) {
      const peers = hostsOf(lists.get(machine)).filter((host) => host !== 'hub');
      const near = peers.filter((host) => racks.get(host) === rack).length;
      expect(near).toBeGreaterThanOrEqual(3);
      expect(peers.length - near).toBeGreaterThanOrEqual(2);
    }
  });

  it('bounds how many call the same member, and how many call the hub', () => {
    const lists = handOut(fleet(2_000, 50), hub);
    const calls = new Map<string, number>();
    for (const peers of lists.values()) for (const host of hostsOf(peers)) calls.set(host, (calls.get(host) ?? 0) + 1);
    expect(calls.get('hub')).toBe(defaultHandout.fromHub);
    calls.delete('hub');
    expect(Math.max(...calls.values())).toBeLessThanOrEqual(2 * defaultHandout.degree);
  });

  it('brings pieces from the hub to everyone within a few hops', () => {
    const members = fleet(3_000, 60);
    const lists = handOut(members, hub);
    let reached = new Set(['hub']);
    let hops = 0;
    for (; reached.size <= members.length && hops < 20; hops += 1) {
      const next = new Set(reached);
      for (const [machine, peers] of lists) if (hostsOf(peers).some((host) => reached.has(host))) next.add(machine);
      reached = next;
    }
    expect(reached.size).toBe(members.length + 1);
    expect(hops).toBeLessThanOrEqual(5);
  });

  it('gives nobody who is far behind, while others keep up', () => {
    const members = [
      ...fleet(60, 3).map((one) => ({ ...one, share: 0.5 })),
      member('slow', 'r0', 0.1),
      member('late', 'r1', 0),
    ];
    const lists = handOut(members, hub);
    const given = new Set([...lists.values()].flatMap(({ peers }) => peers.map(({ host }) => host)));
    expect(given).not.toContain('slow');
    expect(given).not.toContain('late');
    expect(hostsOf(lists.get('slow')).length).toBe(defaultHandout.degree);
  });

  it('divides what may come into a rack among those that bring something in, and limits nobody without', () => {
    const members = [...fleet(30, 3), member('alone', 'r9'), member('nowhere'), member('slow', 'r1', 0)];
    const lists = handOut(members, hub, { ...defaultHandout, rackBytesPerSecond: 1_200 });
    for (const [rack, inRack] of Map.groupBy(members, (one) => one.rack)) {
      const limits = inRack.map(({ machine }) => lists.get(machine)?.slice?.bytesPerSecond);
      if (rack === undefined) expect(limits).toEqual([undefined]);
      else expect(limits.reduce<number>((sum, one) => sum + (one ?? Number.NaN), 0)).toBeCloseTo(1_200);
    }
    for (const { slice } of handOut(members, hub).values()) expect(slice?.bytesPerSecond).toBeUndefined();
  });

  it('changes few lists when one member joins', () => {
    const before = handOut(fleet(1_000, 25), undefined);
    const after = handOut([...fleet(1_000, 25), member('newcomer', 'r3')], undefined);
    const changed = [...before].filter(
      ([machine, peers]) => String(hostsOf(peers)) !== String(hostsOf(after.get(machine))),
    );
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.length).toBeLessThanOrEqual(3 * defaultHandout.degree);
  });

  it('holds for any swarm: bounded, no one twice, never oneself, all joined, whatever the order', () => {
    fc.assert(
      fc.property(anyMembers, fc.boolean(), fc.integer({ min: 3, max: 12 }), (shapes, withHub, degree) => {
        const members = shapes.map(({ machine, rack, share }) => member(machine, rack, share));
        const policy = { ...defaultHandout, degree, inRack: degree - 2 };
        const lists = handOut(members, withHub ? hub : undefined, policy);
        expect(lists.size).toBe(members.length);
        expect([...handOut(members.toReversed(), withHub ? hub : undefined, policy)].sort()).toEqual([...lists].sort());
        for (const { machine, isFetching, rack } of members) {
          const isComplete = !isFetching;
          const hosts = hostsOf(lists.get(machine));
          expect(hosts.length).toBeLessThanOrEqual(degree);
          expect(new Set(hosts).size).toBe(hosts.length);
          expect(hosts).not.toContain(machine);
          const racks = new Map(members.map((one) => [one.machine, one.rack]));
          for (const { host, near } of lists.get(machine)?.peers ?? [])
            expect(near ?? false).toBe(rack !== undefined && racks.get(host) === rack);
          if (isComplete) expect(hosts).toEqual([]);
          else if (withHub && members.length <= policy.fromHub) expect(hosts).toContain('hub');
          if (!isComplete && members.length > 1) expect(hosts.some((host) => host !== 'hub')).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('deals the pieces out in each rack, to those that keep up', () => {
    fc.assert(
      fc.property(anyMembers, (shapes) => {
        const members = shapes.map(({ machine, rack, share }) => member(machine, rack, share));
        const lists = handOut(members, hub);
        for (const [rack, inRack] of Map.groupBy(members, (one) => one.rack)) {
          const slices = inRack.map(({ machine }) => lists.get(machine)?.slice).filter((slice) => slice !== undefined);
          if (rack === undefined || inRack.length < 2) {
            expect(slices).toEqual([]);
            continue;
          }
          expect(slices).toHaveLength(inRack.filter(({ isFetching }) => isFetching).length);
          const dealt = slices.filter(({ index, of }) => index < of).map(({ index }) => index);
          expect(dealt.sort((a, b) => a - b)).toEqual([...dealt.keys()]);
          if (slices.length > 0) expect(dealt.length).toBe(slices[0]?.of);
        }
      }),
    );
    const lists = handOut([member('a', 'r', 0.5), member('b', 'r', 0.5), member('slow', 'r', 0.2)], hub);
    expect(lists.get('slow')?.slice).toEqual({ index: 2, of: 2 });
    expect(lists.get('a')?.slice?.of).toBe(2);
  });
});
