import { describe, expect, it } from 'vitest';
import type { RegionProgress } from './api.ts';
import { slowestRegion, totalsOf, workOf } from './rollout.ts';

const region = (name: string, facts: Partial<RegionProgress> = {}): RegionProgress => ({
  region: name,
  machines: 4,
  done: 0,
  inProgress: 4,
  failed: 0,
  offline: 0,
  waiting: 0,
  notReached: 0,
  bytesDone: 0,
  bytesTotal: 0,
  bytesPerSecond: 0,
  ...facts,
});

it('adds the regions up', () => {
  expect(
    totalsOf([region('a', { bytesDone: 5 }), region('b', { done: 3, inProgress: 1, bytesDone: 2 })]),
  ).toMatchObject({
    machines: 8,
    done: 3,
    inProgress: 5,
    bytesDone: 7,
  });
});

describe('workOf', () => {
  it('counts a fetch as half of a machine, and offline machines not at all', () => {
    expect(workOf(region('a', { bytesDone: 50, bytesTotal: 100 }))).toEqual({ done: 1, total: 4 });
    expect(workOf(region('a', { done: 2, inProgress: 0, offline: 2 }))).toEqual({ done: 2, total: 2 });
  });

  it('is not complete while waves are to come', () => {
    expect(workOf(region('a', { done: 1, inProgress: 0, notReached: 3 }))).toEqual({ done: 1, total: 4 });
  });

  it('is complete only when every machine has ended', () => {
    const { done, total } = workOf(region('a', { done: 3, inProgress: 1, bytesDone: 100, bytesTotal: 100 }));
    expect(done).toBeLessThan(total);
  });
});

it('names the region that holds the others up, if there is one', () => {
  expect(slowestRegion([region('a', { done: 3, inProgress: 1 }), region('b', { done: 1, inProgress: 3 })])).toBe('b');
  expect(slowestRegion([region('a', { done: 4, inProgress: 0 }), region('b', { done: 3, inProgress: 1 })])).toBe('b');
  expect(slowestRegion([region('a', { done: 4, inProgress: 0 })])).toBeNull();
  expect(slowestRegion([region('a'), region('b'), region('c')])).toBeNull();
});
