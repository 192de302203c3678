import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BuildManifest } from './manifest.ts';
import { packShares, packsToDelete, packsToGiveUp } from './pack-life.ts';

type Referring = Pick<BuildManifest, 'packs' | 'chunks' | 'patches'>;

const hex = (seed: number) => seed.toString(16).padStart(64, '0');
const chunk = (pack: number, offset: number, encodedLength: number) => ({
  digest: hex(offset),
  length: encodedLength,
  pack,
  offset,
  encodedLength,
});
const naming = (packs: [number, number][], chunks: Referring['chunks']): Referring => ({
  packs: packs.map(([seed, sizeBytes]) => ({ digest: hex(seed), sizeBytes, torrentInfo: new Uint8Array(0) })),
  chunks,
  patches: [],
});

describe('packShares', () => {
  it('counts what several builds name once', () => {
    const one = naming([[1, 100]], [chunk(0, 0, 10), chunk(0, 10, 20)]);
    const two = naming(
      [
        [2, 50],
        [1, 100],
      ],
      [chunk(1, 10, 20), chunk(0, 0, 50), chunk(1, 90, 10)],
    );
    expect(packShares([one, two])).toEqual([
      { pack: hex(1), sizeBytes: 100, liveBytes: 40 },
      { pack: hex(2), sizeBytes: 50, liveBytes: 50 },
    ]);
  });
});

describe('packsToGiveUp', () => {
  const share = (seed: number, liveBytes: number) => ({ pack: hex(seed), sizeBytes: 1_000, liveBytes });
  const policy = { leastLiveShare: 0.25, mostBytesABuild: 250 };

  it('gives up the deadest that the build has something of, within its budget', () => {
    const borrowed = new Map([
      [hex(1), 100],
      [hex(2), 100],
      [hex(3), 100],
      [hex(4), 10],
    ]);
    const shares = [share(4, 900), share(3, 200), share(2, 100), share(1, 150), share(5, 1)];
    expect(packsToGiveUp(shares, borrowed, policy)).toEqual(new Set([hex(2), hex(1)]));
  });

  it('keeps what is alive enough, and passes over what would be too much', () => {
    expect(packsToGiveUp([share(1, 250)], new Map([[hex(1), 10]]), policy)).toEqual(new Set());
    expect(
      packsToGiveUp(
        [share(1, 10), share(2, 20)],
        new Map([
          [hex(1), 300],
          [hex(2), 20],
        ]),
        policy,
      ),
    ).toEqual(new Set([hex(2)]));
  });
});

describe('packsToDelete', () => {
  it('never takes a pack that a live build, or one in the making, needs', () => {
    const packs = fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(packs, fc.array(packs, { maxLength: 6 }), packs, fc.nat(200), (stored, live, pinned, nowMs) => {
        const storedPacks = stored.map((seed) => ({ digest: hex(seed), storedAtMs: seed }));
        const manifests = live.map((seeds) =>
          naming(
            seeds.map((seed) => [seed, 1]),
            [],
          ),
        );
        const gone = packsToDelete(storedPacks, manifests, { pinned: new Set(pinned.map(hex)), nowMs, graceMs: 50 });
        const needed = new Set([...live.flat(), ...pinned].map(hex));
        const expected = stored.filter((seed) => !needed.has(hex(seed)) && nowMs - seed >= 50).map(hex);
        expect(gone).toEqual(expected);
      }),
    );
  });
});
