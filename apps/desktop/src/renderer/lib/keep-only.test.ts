import { expect, it } from 'vitest';
import { keepOnly } from './keep-only.ts';

const nameOf = (name: string) => name;

it('never holds more than twice the rows, however many come and go, and always those that are there', () => {
  const heights = new Map<string, number>();
  for (let round = 0; round < 200; round += 1) {
    const rows = Array.from({ length: 10 }, (_, place) => `row ${round * 3 + place}`);
    for (const row of rows) heights.set(row, round);
    keepOnly(heights, rows, nameOf);
    expect(heights.size).toBeLessThanOrEqual(20);
    expect(rows.every((row) => heights.has(row))).toBe(true);
  }
});

it('leaves what it knows of rows that are away for a moment', () => {
  const heights = new Map([
    ['a', 40],
    ['b', 53],
  ]);
  keepOnly(heights, ['a'], nameOf);
  expect(heights.get('b')).toBe(53);
});

it('forgets everything once no row is left', () => {
  const heights = new Map([['a', 40]]);
  keepOnly(heights, [], nameOf);
  expect(heights.size).toBe(0);
});
