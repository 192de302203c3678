import { describe, expect, it } from 'vitest';
import { addSample, paceOf, type Sample } from './pace.ts';

const start = Date.UTC(2026, 0, 1);
const walk = (steps: [number, number][], total: number) =>
  steps.reduce<Sample[]>((kept, [second, done]) => addSample(kept, { at: start + second * 1_000, done, total }), []);

describe('paceOf', () => {
  it('guesses nothing from one sample', () => {
    expect(paceOf([], start)).toEqual({ state: 'measuring' });
    expect(paceOf(walk([[0, 5]], 10), start + 1_000)).toEqual({ state: 'measuring' });
  });

  it('takes rate and remaining time from the last seconds', () => {
    const samples = walk(
      [
        [0, 0],
        [5, 50],
        [10, 100],
      ],
      400,
    );
    expect(paceOf(samples, start + 10_000)).toEqual({ state: 'moving', perSecond: 10, etaMs: 30_000 });
  });

  it('says stalled instead of an ever-growing ETA, and moves on again', () => {
    const stuck = walk(
      [
        [0, 0],
        [5, 50],
        [10, 50],
        [15, 50],
        [24, 50],
      ],
      100,
    );
    expect(paceOf(stuck, start + 24_000).state).not.toBe('stalled');
    expect(paceOf(stuck, start + 26_000)).toEqual({ state: 'stalled', forMs: 21_000 });
    const moving = addSample(stuck, { at: start + 30_000, done: 60, total: 100 });
    expect(paceOf(moving, start + 30_000)).toMatchObject({ state: 'moving' });
  });

  it('is done when all is done', () => {
    expect(
      paceOf(
        walk(
          [
            [0, 0],
            [3, 7],
          ],
          7,
        ),
        start + 90_000,
      ),
    ).toEqual({ state: 'done' });
  });
});

it('keeps about a minute of samples however long it runs', () => {
  let samples: Sample[] = [];
  for (let second = 0; second < 3_600; second += 1) {
    samples = addSample(samples, { at: start + second * 1_000, done: second, total: 10_000 });
  }
  expect(samples.length).toBeLessThanOrEqual(62);
  expect(samples.at(-1)?.done).toBe(3_599);
});
