import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeDelta } from './delta-encode.ts';
import { applyDelta } from './delta-format.ts';
import type { Phases } from './table-copies.ts';
import { someBytes } from './test-bytes.ts';
import { compress } from './zstd.ts';

/** Relocations as ELF has them: where, of what kind, what is there. `moved` says how far each function went. */
function relocations(count: number, base: number, moved: (functionIndex: number) => number): Buffer {
  const random = someBytes(count * 4, 11);
  const table = Buffer.alloc(count * 24);
  for (let index = 0; index < count; index += 1) {
    const place = random.readUInt32LE(index * 4) % 50_000;
    table.writeUInt32LE(base + index * 8, index * 24);
    table.writeUInt32LE(8, index * 24 + 8);
    table.writeUInt32LE(0x200_000 + place * 64 + moved(place), index * 24 + 16);
  }
  return table;
}

const older = relocations(10_000, 0x700_000, () => 0);
/** Whatever lies in the last part of the code has gone further. */
const newer = relocations(10_000, 0x71a_340, (place) => (place < 49_000 ? 0x1_230 : 0x1_2b0));
/** With something else before the table, in both, and entries that are new in its midst. */
const olderFile = (pad: number) => Buffer.concat([someBytes(pad, 5), older]);
const newerFile = (pad: number, inserted: number) =>
  Buffer.concat([
    ...[someBytes(pad, 6), newer.subarray(0, 120_000), relocations(inserted, 0x123_456, () => 7)],
    newer.subarray(120_000),
  ]);

function applied(reference: Buffer, target: Buffer, phases: Phases) {
  const { patch, referenceStart, referenceEnd } = makeDelta(reference, target, 0, 9, phases)!;
  const made = applyDelta(patch, reference.subarray(referenceStart, referenceEnd), Buffer.alloc(target.length));
  return { patch, made };
}

describe('tables in which every address has moved', () => {
  it('cost a patch a tenth of what they are on their own, wherever they lie in the file and in the stretch', () => {
    fc.assert(
      fc.property(
        fc.nat(7),
        fc.nat(7),
        fc.nat(40),
        fc.nat(7),
        fc.nat(7),
        (olderPad, newerPad, inserted, olderCut, newerCut) => {
          // A table begins at a multiple of four in its file; the stretch begins anywhere.
          const [older, newer] = [olderFile(4 * olderPad + 64), newerFile(4 * newerPad + 64, inserted)];
          const phases = { reference: olderCut, target: newerCut };
          const { patch, made } = applied(older.subarray(olderCut), newer.subarray(newerCut), phases);
          expect(made.equals(newer.subarray(newerCut))).toBe(true);
          expect(patch.length).toBeLessThan(compress(newer, 9).length / 10);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('make the target whatever the phases say', () => {
    const [older, newer] = [olderFile(64), newerFile(65, 3)];
    for (const phases of [
      { reference: 1, target: 2 },
      { reference: 3, target: 0 },
    ])
      expect(
        makeDelta(older, newer, 0, 9, phases) === undefined || applied(older, newer, phases).made.equals(newer),
      ).toBe(true);
  });
});
