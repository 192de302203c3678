import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandManifest, shortenManifest } from './manifest-transfer.ts';
import { testBuild } from './test-builds.ts';
import { changed, digestOf, someBytes } from './test-bytes.ts';
import { Malformed } from './varint.ts';

const older = testBuild('shop@000000000001', someBytes(60_000, 1));
const change = { kind: 'overwrite', at: 0.3, share: 0.02, seed: 1 } as const;
const newer = testBuild('shop@000000000002', changed(older.content, change), older);
const find = (digest: string) => (digest === older.manifestDigest ? older.manifestBytes : undefined);

describe('a shortened manifest', () => {
  it('is the same again, and short where the one before is known', () => {
    const whole = shortenManifest(newer.manifestBytes);
    const patch = shortenManifest(newer.manifestBytes, older.manifestBytes);
    expect(digestOf(expandManifest(whole, () => undefined)!)).toBe(newer.manifestDigest);
    expect(digestOf(expandManifest(patch, find)!)).toBe(newer.manifestDigest);
    expect(patch.length).toBeLessThan(newer.manifestBytes.length * 0.2);
    expect(expandManifest(patch, () => undefined)).toBeUndefined();
  });

  it('is whole where there is nothing in common', () => {
    const shortened = shortenManifest(newer.manifestBytes, Buffer.alloc(500, 1));
    expect(digestOf(expandManifest(shortened, () => undefined)!)).toBe(newer.manifestDigest);
  });

  it('that was changed is refused, or is some bytes without the right digest', () => {
    const patch = shortenManifest(newer.manifestBytes, older.manifestBytes);
    fc.assert(
      fc.property(fc.nat(patch.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hostile = Buffer.from(patch);
        hostile[at]! ^= flip;
        try {
          const bytes = expandManifest(hostile, find);
          if (bytes) expect(bytes.length).toBeLessThan(9_000_000);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Malformed);
        }
      }),
      { numRuns: 300 },
    );
  });
});
