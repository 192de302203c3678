import { describe, expect, it } from 'vitest';
import { beginOf, daysOf, periods, periodWords } from './periods.ts';

describe('periods', () => {
  it('begin so many days ago, and at the same moment for five minutes', () => {
    const noon = Date.parse('2026-03-31T12:00:00Z');
    expect(beginOf('7d', noon)).toBe('2026-03-24T12:00:00.000Z');
    expect(beginOf('7d', noon + 299_999)).toBe(beginOf('7d', noon));
    expect(beginOf('7d', noon + 300_000)).toBe('2026-03-24T12:05:00.000Z');
  });

  it('each have words and grow', () => {
    expect(new Set(periods.map(periodWords)).size).toBe(periods.length);
    expect(periods.map(daysOf)).toEqual([...periods].map(daysOf).toSorted((a, b) => a - b));
  });
});
