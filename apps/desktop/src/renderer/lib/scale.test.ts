import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { durationTicks, labelledPlaces, niceTicks, wholeTicks } from './scale.ts';

describe('ticks', () => {
  it('are round numbers that people expect', () => {
    expect(niceTicks(37)).toEqual([0, 10, 20, 30, 40]);
    expect(niceTicks(0.9)).toEqual([0, 0.5, 1]);
    expect(wholeTicks(3)).toEqual([0, 1, 2, 3]);
    expect(durationTicks(50 * 60_000)).toEqual([0, 15, 30, 45, 60].map((minutes) => minutes * 60_000));
    expect(niceTicks(0)).toEqual([0, 1]);
  });

  it('begin at 0, grow evenly, reach the highest value and are never many', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e12, noNaN: true }), (most) => {
        for (const ticks of [niceTicks(most), wholeTicks(most), durationTicks(most)]) {
          expect(ticks[0]).toBe(0);
          expect(ticks.at(-1)).toBeGreaterThanOrEqual(most * (1 - 1e-9));
          expect(ticks.length).toBeLessThanOrEqual(7);
          expect(ticks.every((tick, index) => index === 0 || tick > ticks[index - 1]!)).toBe(true);
        }
      }),
    );
  });
});

describe('labels', () => {
  it('fit the room, and the newest has one', () => {
    expect(labelledPlaces(30, 5)).toEqual([5, 11, 17, 23, 29]);
    expect(labelledPlaces(3, 10)).toEqual([0, 1, 2]);
    expect(labelledPlaces(0, 10)).toEqual([]);
  });
});
