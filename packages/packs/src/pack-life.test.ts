import { describe, expect, it } from 'vitest';
import type { BuildManifest } from './manifest.ts';
import { packShares, packsToGiveUp } from './pack-life.ts';

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
