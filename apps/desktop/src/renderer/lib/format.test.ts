import { describe, expect, it } from 'vitest';
import {
  authorName,
  formatAge,
  formatBytes,
  formatDuration,
  formatEta,
  percentOf,
  plural,
  shortBuild,
} from './format.ts';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [99_960, '100 kB'],
    [999_600, '1.0 MB'],
    [4_200_000, '4.2 MB'],
    [10_000_000_000, '10.0 GB'],
  ])('%d is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe('formatDuration', () => {
  it.each([
    [-5, '0.0 s'],
    [430, '0.4 s'],
    [59_600, '1 min'],
    [200_000, '3 min 20 s'],
    [7_500_000, '2 h 5 min'],
    [356_400_000, '4 d 3 h'],
  ])('%d ms is %s', (milliseconds, text) => expect(formatDuration(milliseconds)).toBe(text));
});

describe('formatAge', () => {
  const now = Date.UTC(2026, 4, 1, 12);
  it.each([
    [-3_000, 'just now'],
    [1_000, 'just now'],
    [40_000, '40 s ago'],
    [720_000, '12 min ago'],
    [3 * 3_600_000, '3 h ago'],
    [5 * 86_400_000, '5 d ago'],
    [40 * 86_400_000, '2026-03-22'],
  ])('%d ms before now is %s', (before, text) => expect(formatAge(now - before, now)).toBe(text));
});

it('says an ETA as the guess it is', () => {
  expect(formatEta(0)).toBe('about 1 s');
  expect(formatEta(21_000)).toBe('about 25 s');
  expect(formatEta(118_000)).toBe('about 2 min');
  expect(formatEta(4 * 3_600_000)).toBe('about 4 h');
});

it('calls only what is complete 100 percent', () => {
  expect(percentOf(999_999, 1_000_000)).toBe(99);
  expect(percentOf(3, 3)).toBe(100);
  expect(percentOf(0, 0)).toBe(0);
});

it('shortens builds, authors and counts', () => {
  expect(shortBuild('hello@1a2b3c4d5e6f')).toBe('1a2b3c4');
  expect(shortBuild('hello@1a2b3c4d5e6f.12')).toBe('1a2b3c4.12');
  expect(authorName('Ada Lovelace <ada@example.org>')).toBe('Ada Lovelace');
  expect(authorName('<ada@example.org>')).toBe('<ada@example.org>');
  expect(plural(1, 'machine')).toBe('1 machine');
  expect(plural(12_000, 'machine')).toBe('12,000 machines');
});
