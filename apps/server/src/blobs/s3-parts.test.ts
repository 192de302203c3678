import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptParts, partsOf } from './s3-parts.ts';

const MiB = 1024 * 1024;

describe('partsOf', () => {
  it('tiles every size with at most 10,000 parts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 * 1024 ** 4 }), (size) => {
        const parts = partsOf(size, 16 * MiB);
        expect(parts.length).toBeLessThanOrEqual(10_000);
        expect(parts[0]?.start).toBe(0);
        expect(parts.at(-1)?.end).toBe(size);
        const misplaced = parts.filter(
          (part, index) =>
            part.number !== index + 1 || part.end <= part.start || part.start !== (parts[index - 1]?.end ?? 0),
        );
        expect(misplaced).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('keptParts', () => {
  const parts = partsOf(40 * MiB, 16 * MiB);
  const stored = (number: number, size: number) => ({ number, sizeBytes: size * MiB, etag: 'e' });

  it('keeps parts that were cut alike', () => {
    expect([...(keptParts(parts, [stored(1, 16), stored(3, 8)])?.keys() ?? [])]).toEqual([1, 3]);
  });

  it('keeps nothing of an upload that may have been cut otherwise', () => {
    // The last part of 16 MiB parts has the size of any part of 8 MiB parts.
    expect(keptParts(partsOf(40 * MiB, 8 * MiB), [stored(3, 8)])).toBeUndefined();
    expect(keptParts(partsOf(40 * MiB, 8 * MiB), [stored(1, 16), stored(3, 8)])).toBeUndefined();
    expect(keptParts(parts, [stored(1, 16), stored(4, 16)])).toBeUndefined();
    expect(keptParts(parts, [])).toBeUndefined();
  });
});
