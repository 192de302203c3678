import { expect, it } from 'vitest';
import { matchesBranch } from './branch-pattern.ts';

it.each([
  ['main', 'main', true],
  ['main', 'mainline', false],
  ['main', 'not/main', false],
  ['release/*', 'release/2', true],
  ['release/*', 'release/', true],
  ['release/*', 'release', false],
  ['release/*', 'release/2/fix', false],
  ['release/**', 'release/2/fix', true],
  ['**', 'any/thing', true],
  ['*', 'any/thing', false],
  ['*-stable', 'v1-stable', true],
  ['a.c', 'abc', false],
  ['v*.*', 'v1.2', true],
])('%s means %s: %s', (pattern, branch, expected) => {
  expect(matchesBranch(pattern, branch)).toBe(expected);
});

it('is not slowed down by a spiteful pattern', () => {
  expect(matchesBranch('*a'.repeat(120), `${'a'.repeat(1_000)}b`)).toBe(false);
});
