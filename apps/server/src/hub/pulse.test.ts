import { expect, it } from 'vitest';
import { beatEveryMs, Pulse } from './pulse.ts';

const connections = (count: number) =>
  Array.from({ length: count }, () => ({
    asked: [] as boolean[],
    checkPulse(judge: boolean) {
      this.asked.push(judge);
    },
  }));

it('asks everyone once in a round, never many with one beat', () => {
  const pulse = new Pulse();
  const all = connections(1_000);
  const counts: number[] = [];
  let before = 0;
  for (let now = 0; now < 7_000; now += beatEveryMs) {
    pulse.beat(all, now);
    const asked = all.reduce((sum, one) => sum + one.asked.length, 0);
    counts.push(asked - before);
    before = asked;
  }
  expect(all.every(({ asked }) => asked.length === 1)).toBe(true);
  expect(Math.max(...counts)).toBe(72);
  pulse.beat(all, 7_000);
  expect(all.filter(({ asked }) => asked.length === 2)).toHaveLength(72);
});

it('judges nobody right after the hub itself stood still', () => {
  const pulse = new Pulse();
  const all = connections(1);
  for (const now of [0, 7_000, 14_000]) {
    for (let beat = now - 3 * beatEveryMs; beat <= now; beat += beatEveryMs) pulse.beat(all, beat);
  }
  const judged = all[0]!.asked.length;
  pulse.beat(all, 40_000);
  expect(all[0]!.asked.slice(judged)).toEqual([false]);
  for (let now = 40_500; now <= 47_000; now += beatEveryMs) pulse.beat(all, now);
  expect(all[0]!.asked.slice(judged)).toEqual([false, true]);
});

it('asks those that came in the middle of a round with the next, and nobody where there is nobody', () => {
  const pulse = new Pulse();
  pulse.beat([], 0);
  const all = connections(1);
  for (let now = beatEveryMs; now < 7_000; now += beatEveryMs) pulse.beat(all, now);
  expect(all[0]!.asked).toEqual([]);
  pulse.beat(all, 7_000);
  expect(all[0]!.asked).toHaveLength(1);
});
