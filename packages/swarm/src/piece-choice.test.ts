import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Choice, choosePiece, isWorthTwice } from './piece-choice.ts';

const now = 1_000_000;
const choiceOf = (change: Partial<Choice>): Choice => ({
  open: Uint8Array.from([1, 1, 1, 1]),
  holders: Uint16Array.from([1, 1, 1, 1]),
  sourceHas: Uint8Array.from([1, 1, 1, 1]),
  sourceSentAt: new Float64Array(4),
  isSourceComplete: true,
  completeSources: 1,
  startAt: 0,
  now,
  isPatient: true,
  comingMs: 2_000,
  sparedMs: 5_000,
  ...change,
});

describe('choosePiece', () => {
  it('begins where it is told to', () => {
    expect(choosePiece(choiceOf({}))).toBe(0);
    expect(choosePiece(choiceOf({ startAt: 2 }))).toBe(2);
  });

  it('takes what the source has given to nobody before anything else, however rare', () => {
    expect(
      choosePiece(choiceOf({ holders: Uint16Array.from([1, 3, 1, 3]), sourceSentAt: Float64Array.from([1, 0, 1, 0]) })),
    ).toBe(1);
  });

  it('of those takes the rarest', () => {
    expect(choosePiece(choiceOf({ holders: Uint16Array.from([3, 3, 2, 3]) }))).toBe(2);
  });

  it('waits a moment for what was just promised to somebody else, and no longer', () => {
    const sourceSentAt = new Float64Array(4).fill(now - 500);
    expect(choosePiece(choiceOf({ sourceSentAt }))).toBeUndefined();
    expect(choosePiece(choiceOf({ sourceSentAt, now: now + 2_000 }))).toBe(0);
    const promised = new Float64Array(4).fill(Number.POSITIVE_INFINITY);
    expect(choosePiece(choiceOf({ sourceSentAt: promised, now: now + 60_000 }))).toBeUndefined();
    expect(choosePiece(choiceOf({ sourceSentAt: promised, isPatient: false }))).toBe(0);
  });

  it('spares a seed what others can give by now, but not a member that still fetches', () => {
    const shared = { holders: Uint16Array.from([2, 2, 2, 2]), sourceSentAt: new Float64Array(4).fill(now - 500) };
    expect(choosePiece(choiceOf(shared))).toBeUndefined();
    expect(choosePiece(choiceOf({ ...shared, isSourceComplete: false }))).toBe(0);
    expect(choosePiece(choiceOf({ ...shared, now: now + 5_000 }))).toBe(0);
    // Both who have it have everything.
    expect(choosePiece(choiceOf({ ...shared, completeSources: 2 }))).toBe(0);
  });

  it('asks for what was given away before this lane was opened without waiting', () => {
    expect(choosePiece(choiceOf({ sourceSentAt: new Float64Array(4).fill(1) }))).toBe(0);
  });

  it('asks across the uplink of a rack for its own slice, and for what neighbours do not bring in time', () => {
    const crossing = { slice: { index: 1, of: 3 }, nearHolders: new Uint16Array(4), idleMs: 0, neighbourMs: 1_000 };
    const across = (change: Partial<typeof crossing>, rest: Partial<Choice> = {}) =>
      choosePiece(choiceOf({ isSourceComplete: false, crossing: { ...crossing, ...change }, ...rest }));
    expect(across({})).toBe(1);
    expect(across({}, { open: Uint8Array.from([1, 0, 1, 1]) })).toBeUndefined();
    expect(across({ idleMs: 1_001 })).toBe(0);
    const nearHolders = Uint16Array.from([1, 1, 1, 1]);
    expect(across({ nearHolders, idleMs: 1_001 })).toBeUndefined();
    expect(across({ nearHolders, idleMs: 4_001 })).toBe(0);
  });

  it('brings what only a lone seed has into its rack whoever was to, until the seed gave it away', () => {
    const crossing = { slice: { index: 1, of: 3 }, nearHolders: new Uint16Array(4), idleMs: 0, neighbourMs: 1_000 };
    expect(choosePiece(choiceOf({ crossing }))).toBe(0);
    expect(choosePiece(choiceOf({ crossing, sourceSentAt: new Float64Array(4).fill(1) }))).toBe(1);
    expect(choosePiece(choiceOf({ crossing, completeSources: 2, holders: new Uint16Array(4).fill(2) }))).toBe(1);
  });

  it('chooses only what is open and there, and always something in the end', () => {
    const bits = fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        bits,
        fc.infiniteStream(fc.integer({ min: 0, max: 5 })),
        fc.boolean(),
        (open, numbers, isSourceComplete) => {
          const next = () => numbers.next().value as number;
          const sourceHas = Uint8Array.from(open, () => next() % 2);
          const choice = choiceOf({
            open: Uint8Array.from(open),
            sourceHas,
            holders: Uint16Array.from(sourceHas, (bit) => bit + next()),
            sourceSentAt: Float64Array.from(open, () => [0, 1, now - 100, now - 3_000][next() % 4] ?? 0),
            startAt: next() % open.length,
            isSourceComplete,
          });
          const possible = open.map((bit, piece) => bit === 1 && sourceHas[piece] === 1);
          const chosen = choosePiece(choice);
          if (chosen !== undefined) expect(possible[chosen]).toBe(true);
          const later = choosePiece({ ...choice, now: now + 60_000 });
          expect(later !== undefined).toBe(possible.includes(true));
        },
      ),
    );
  });
});

describe('isWorthTwice', () => {
  const MiB = 1024 * 1024;
  it('asks twice only where that is much sooner', () => {
    const slow = { askedAt: now - 1_000, bytesAhead: 4 * MiB, bytesPerSecond: 0.5 * MiB };
    expect(isWorthTwice(slow, 4 * MiB, 40 * MiB, now)).toBe(true);
    expect(isWorthTwice(slow, 4 * MiB, 1 * MiB, now)).toBe(false);
    expect(isWorthTwice({ ...slow, bytesPerSecond: 40 * MiB }, 4 * MiB, 40 * MiB, now)).toBe(false);
    expect(isWorthTwice({ ...slow, askedAt: now - 100 }, 4 * MiB, 40 * MiB, now)).toBe(false);
  });

  it('does not wait for ever for a source that has never sent anything', () => {
    const silent = { askedAt: now - 20_000, bytesAhead: 1, bytesPerSecond: undefined };
    expect(isWorthTwice(silent, MiB, MiB, now)).toBe(true);
  });
});
