import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mostTiles, tileStates, tilesOf } from './tiles.ts';

it('never loses a state, never has more tiles than fit, and shows the worst first', () => {
  const count = fc.oneof(fc.constant(0), fc.nat(5), fc.nat(200_000));
  fc.assert(
    fc.property(fc.record({ failed: count, offline: count, behind: count, done: count }), (counts) => {
      const tiles = tilesOf(counts);
      const total = tileStates.reduce((sum, state) => sum + counts[state], 0);
      expect(tiles).toHaveLength(Math.min(total, mostTiles));
      for (const state of tileStates) expect(tiles.includes(state)).toBe(counts[state] > 0);
      const order = tiles.map((state) => tileStates.indexOf(state!));
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }),
  );
});

it('is a tile for each machine of a small region', () => {
  expect(tilesOf({ failed: 1, offline: 0, behind: 0, done: 2 })).toEqual(['failed', 'done', 'done']);
  expect(
    tilesOf({ failed: 1, offline: 0, behind: 0, done: 99_999 }).filter((state) => state === 'failed'),
  ).toHaveLength(1);
});
