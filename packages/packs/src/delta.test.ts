import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeDelta } from './delta-encode.ts';
import { applyDelta, maxTargetBytes, packStreams } from './delta-format.ts';
import { type Change, changed, someBytes } from './test-bytes.ts';
import { ByteWriter, Malformed } from './varint.ts';

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('insert', 'delete', 'overwrite', 'relink', 'move'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  share: fc.double({ min: 0, max: 0.4, noNaN: true }),
  seed: fc.nat(1_000),
});

function patchOf(reference: Buffer, target: Buffer, place = 0) {
  const delta = makeDelta(reference, target, place, 3);
  if (!delta) return undefined;
  return { patch: delta.patch, reference: reference.subarray(delta.referenceStart, delta.referenceEnd) };
}

describe('patches', () => {
  it('make the target, whatever has changed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60_000 }),
        fc.array(change, { maxLength: 6 }),
        fc.integer({ min: -70_000, max: 70_000 }),
        (length, changes, place) => {
          const reference = someBytes(length, length);
          const target = changes.reduce(changed, reference);
          const made = patchOf(reference, target, place);
          if (made) expect(applyDelta(made.patch, made.reference, Buffer.alloc(target.length))).toEqual(target);
          else expect(changes.length > 0 || length < 24).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('make targets of bytes that repeat, and of a few bytes', () => {
    for (const [reference, target] of [
      [Buffer.alloc(5_000), Buffer.alloc(7_003)],
      [Buffer.alloc(5_000, 'ab'), Buffer.alloc(5_001, 'ba')],
      [someBytes(40, 1), someBytes(40, 1).subarray(3, 37)],
      [someBytes(100, 2), Buffer.concat([someBytes(100, 2), Buffer.from([1, 2, 3])])],
    ] as [Buffer, Buffer][]) {
      const made = patchOf(reference, target)!;
      expect(applyDelta(made.patch, made.reference, Buffer.alloc(target.length))).toEqual(target);
    }
  });

  it('are small where addresses have moved', () => {
    const reference = someBytes(400_000, 7);
    const target = changed(changed(reference, { kind: 'relink', at: 0, share: 1, seed: 3 }), {
      kind: 'insert',
      at: 0.5,
      share: 0.01,
      seed: 9,
    });
    const made = patchOf(reference, target)!;
    expect(made.patch.length).toBeLessThan(target.length * 0.05);
  });

  it('are none where nothing is alike', () => {
    expect(patchOf(someBytes(5_000, 1), Buffer.alloc(5_000, 0xee))).toBeUndefined();
    expect(patchOf(Buffer.alloc(0), someBytes(5_000, 1))).toBeUndefined();
  });
});

describe('a hostile patch', () => {
  const reference = someBytes(20_000, 4);
  const target = changed(reference, { kind: 'relink', at: 0.1, share: 0.8, seed: 5 });
  const made = patchOf(reference, target)!;

  it('is refused or makes as many bytes as were asked for, however it was changed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(made.patch.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (edits) => {
          const patch = Buffer.from(made.patch);
          for (const [at, value] of edits) patch[at] = value;
          try {
            applyDelta(patch, made.reference, Buffer.alloc(target.length));
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(Malformed);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is refused for another reference, another length or too much of it', () => {
    const apply = (patch: Uint8Array, from: Buffer, length: number) => () =>
      applyDelta(patch, from, Buffer.alloc(length));
    expect(apply(made.patch, made.reference.subarray(100), target.length)).toThrow(Malformed);
    expect(apply(made.patch, made.reference, target.length - 1)).toThrow(Malformed);
    expect(apply(made.patch, made.reference, target.length + 1)).toThrow(Malformed);
    expect(apply(made.patch, made.reference, maxTargetBytes + 1)).toThrow(Malformed);
    expect(apply(new Uint8Array(0), made.reference, target.length)).toThrow(Malformed);
  });

  it('cannot make a stream unfold to more than it may', () => {
    const bomb = packStreams(
      { steps: Buffer.alloc(50_000_000), gaps: Buffer.alloc(0), additions: Buffer.alloc(0), literals: Buffer.alloc(0) },
      3,
    );
    expect(() => applyDelta(bomb, reference, Buffer.alloc(1_000))).toThrow(/is the most/);
  });

  it('cannot copy from before the reference', () => {
    const steps = new ByteWriter();
    for (const value of [0, 10]) steps.number(value);
    steps.signed(-1);
    const none = Buffer.alloc(0);
    const patch = packStreams({ steps: steps.bytes(), gaps: Buffer.from([10]), additions: none, literals: none }, 3);
    expect(() => applyDelta(patch, reference, Buffer.alloc(10))).toThrow(/outside/);
  });
});
