import { expect, it } from 'vitest';
import { openingBounds } from './window-state.ts';

const laptop = { x: 0, y: 0, width: 1_280, height: 800 };
const second = { x: 1_280, y: 0, width: 2_560, height: 1_440 };
const saved = { x: 1_500, y: 100, width: 1_400, height: 900 };

it('opens where it was', () => {
  expect(openingBounds(saved, [laptop, second])).toEqual(saved);
});

it('comes back to the middle when the second display is gone, no larger than the first', () => {
  expect(openingBounds(saved, [laptop])).toEqual({ width: 1_280, height: 800 });
  expect(openingBounds(null, [second])).toEqual({ width: 1_440, height: 900 });
});
