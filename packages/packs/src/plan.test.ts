import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchesOf } from './batches.ts';
import { type Failure, makeParts, type Sources } from './make-parts.ts';
import { type Base, type Plan, planUpdate } from './plan.ts';
import { type TestBuild, testBuild } from './test-builds.ts';
import { type Change, changed, someBytes } from './test-bytes.ts';

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('insert', 'delete', 'overwrite', 'relink', 'move'),
  at: fc.double({ min: 0, max: 0.9, noNaN: true }),
  share: fc.double({ min: 0.01, max: 0.5, noNaN: true }),
  seed: fc.nat(1_000),
});
/** Builds that follow each other, each with some changes. */
const history = fc
  .tuple(
    fc.integer({ min: 2_000, max: 20_000 }),
    fc.array(fc.array(change, { maxLength: 3 }), { minLength: 1, maxLength: 4 }),
  )
  .map(([length, steps]) => builds(someBytes(length, length), steps));

function builds(first: Buffer, steps: Change[][]): TestBuild[] {
  const all = [testBuild('build-0', first)];
  for (const step of steps)
    all.push(testBuild(`build-${all.length}`, step.reduce(changed, all.at(-1)!.content), all.at(-1)));
  return all;
}

const baseOf = (build: TestBuild, isManaged = true): Base => ({
  name: build.manifest.build,
  chunks: build.manifest.chunks,
  ...(isManaged ? { manifestDigest: build.manifestDigest } : {}),
});
const known = (all: readonly TestBuild[]) =>
  new Map(all.map(({ manifestDigest, manifest }) => [manifestDigest, manifest]));

/** Carries a plan out; packs have nothing but zeros outside of what the plan fetches. */
function carryOut(
  plan: Plan,
  target: TestBuild,
  bases: ReadonlyMap<string, Buffer>,
): { made: Buffer; failures: Failure[] } {
  const fetched = new Map(
    plan.fetch.map(({ pack, packBytes, ranges }) => {
      const bytes = Buffer.alloc(packBytes);
      for (const { start, end } of ranges) target.packs.get(pack)!.copy(bytes, start, start, end);
      return [pack, bytes];
    }),
  );
  const sources: Sources = {
    base: (name, start, into) => bases.get(name)!.copy(into, 0, start),
    pack: (digest, offset, into) => fetched.get(digest)!.copy(into, 0, offset),
  };
  const made = Buffer.alloc(target.content.length);
  const failures = [...batchesOf(plan)].flatMap((batch) =>
    makeParts(batch, sources, (start, bytes) => made.set(bytes, start)),
  );
  return { made, failures };
}

describe('planUpdate', () => {
  it('makes exactly the bytes of the target, whatever the machine has', () => {
    fc.assert(
      fc.property(
        history,
        fc.nat(255),
        fc.nat(255),
        fc.nat(255),
        fc.nat(4),
        fc.nat(3_000),
        (all, has, isManaged, knows, maxChain, rangeCostBytes) => {
          const target = all.at(-1)!;
          const older = all.slice(0, -1);
          const bases = older.filter((_, index) => has & (1 << index));
          const plan = planUpdate({
            target: target.manifest,
            ancestors: known(older.filter((_, index) => knows & (1 << index))),
            bases: bases.map((build, index) => baseOf(build, (isManaged & (1 << index)) !== 0)),
            maxChain,
            rangeCostBytes,
          });
          const { made, failures } = carryOut(
            plan,
            target,
            new Map(bases.map(({ manifest, content }) => [manifest.build, content])),
          );
          expect(failures).toEqual([]);
          expect(made.equals(target.content)).toBe(true);
          expect(plan.chain).toBeLessThanOrEqual(maxChain);
          const inFull = planUpdate({ target: target.manifest, bases: [], rangeCostBytes });
          const cost = ({ bytesToFetch, fetch }: Plan) =>
            fetch.reduce((sum, { ranges }) => sum + ranges.length * rangeCostBytes, bytesToFetch);
          if (bases.length === 0) expect(cost(plan)).toBeLessThanOrEqual(cost(inFull));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('goes along a chain for no more than its updates one by one', () => {
    fc.assert(
      fc.property(history, (all) => {
        const step = (index: number, from: number) =>
          planUpdate({
            target: all[index]!.manifest,
            ancestors: known(all),
            bases: [baseOf(all[from]!)],
            rangeCostBytes: 0,
          }).bytesToFetch;
        const oneByOne = all.slice(1).reduce((sum, _, index) => sum + step(index + 1, index), 0);
        expect(step(all.length - 1, 0)).toBeLessThanOrEqual(oneByOne);
      }),
      { numRuns: 60 },
    );
  });

  it('takes patches where the build before is there, by its manifest or by the index of its tree', () => {
    const all = builds(someBytes(40_000, 1), [[{ kind: 'relink', at: 0, share: 1, seed: 2 }]]);
    const [old, target] = all as [TestBuild, TestBuild];
    for (const ancestors of [known(all), undefined]) {
      const plan = planUpdate({ target: target.manifest, bases: [baseOf(old)], ...(ancestors ? { ancestors } : {}) });
      expect(plan.chain).toBe(1);
      expect(plan.bytesToFetch).toBeLessThan(target.content.length * 0.1);
    }
    const unknown = planUpdate({ target: target.manifest, bases: [baseOf(old, false)] });
    expect(unknown.chain).toBe(0);
  });

  it('says which chunk of a base is damaged, and does without it when told', () => {
    const all = builds(someBytes(30_000, 3), [[{ kind: 'relink', at: 0.2, share: 0.5, seed: 4 }]]);
    const [old, target] = all as [TestBuild, TestBuild];
    const damagedContent = Buffer.from(old.content);
    damagedContent[12_345]! ^= 1;
    const bases = new Map([['build-0', damagedContent]]);
    const damaged = new Set<string>();
    const plans: Plan[] = [];
    for (;;) {
      const plan = planUpdate({ target: target.manifest, ancestors: known(all), bases: [baseOf(old)], damaged });
      plans.push(plan);
      const { made, failures } = carryOut(plan, target, bases);
      if (failures.length === 0) {
        expect(made.equals(target.content)).toBe(true);
        break;
      }
      expect(failures.every(({ base }) => base?.startsWith('build-0:'))).toBe(true);
      for (const { base } of failures) damaged.add(base!);
    }
    expect(plans).toHaveLength(2);
    expect(plans[1]!.bytesToFetch).toBeGreaterThan(plans[0]!.bytesToFetch);
  });

  it('says which pack is not what it should be, and makes what it can', () => {
    const target = testBuild('build-0', someBytes(30_000, 5));
    const [digest, bytes] = [...target.packs][0]!;
    const wrong = Buffer.from(bytes);
    wrong[1_000]! ^= 1;
    const plan = planUpdate({ target: target.manifest, bases: [] });
    const { made, failures } = carryOut(plan, { ...target, packs: new Map([[digest, wrong]]) }, new Map());
    expect(new Set(failures.map(({ pack }) => pack))).toEqual(new Set([digest]));
    const equal = made.filter((byte, at) => byte === target.content[at]).length;
    expect(equal).toBeGreaterThan(target.content.length - 1_000);
  });

  it('fetches one range of a pack where many would cost more', () => {
    const [old, target] = builds(someBytes(30_000, 6), [[{ kind: 'insert', at: 0.5, share: 0.01, seed: 7 }]]) as [
      TestBuild,
      TestBuild,
    ];
    const half: Base = { name: 'half', chunks: old.manifest.chunks.filter((_, index) => index % 2 === 0) };
    const dear = planUpdate({ target: target.manifest, bases: [half], rangeCostBytes: 100_000 });
    for (const { packBytes, ranges } of dear.fetch) {
      expect(ranges).toHaveLength(1);
      expect(ranges[0]!.end - ranges[0]!.start).toBeGreaterThan(packBytes * 0.8);
    }
    const cheap = planUpdate({ target: target.manifest, bases: [half], rangeCostBytes: 0 });
    expect(cheap.fetch.flatMap(({ ranges }) => ranges).length).toBeGreaterThan(5);
    expect(cheap.bytesToFetch).toBeLessThan(dear.bytesToFetch);
  });

  it('does without packs that are gone, or says that it cannot', () => {
    const all = builds(someBytes(30_000, 8), [
      [{ kind: 'relink', at: 0, share: 0.4, seed: 2 }],
      [{ kind: 'relink', at: 0.5, share: 0.4, seed: 3 }],
    ]);
    const [oldest, , target] = all as [TestBuild, TestBuild, TestBuild];
    const packs = target.manifest.packs.map(({ digest }) => digest);
    const request = { target: target.manifest, ancestors: known(all), bases: [baseOf(oldest)] };
    const plan = planUpdate({ ...request, hasPack: (digest) => digest !== packs[0] });
    expect(plan.fetch.map(({ pack }) => pack)).not.toContain(packs[0]);
    expect(carryOut(plan, target, new Map([['build-0', oldest.content]])).made.equals(target.content)).toBe(true);
    expect(() => planUpdate({ ...request, bases: [], hasPack: (digest) => digest !== packs[0] })).toThrow(
      /cannot be fetched/,
    );
  });
});
