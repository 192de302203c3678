import { expect, it } from 'vitest';
import { firstChoice, matchesVersion, whyNotPickable } from './versions.ts';

const version = (id: string, facts: object = {}) => ({
  id,
  current: false,
  lastGood: false,
  notDeployableBecause: null,
  quarantined: null,
  ...facts,
});

it('offers the last good version first', () => {
  expect(firstChoice([version('c', { current: true }), version('b'), version('a', { lastGood: true })])).toBe('a');
});

it('offers the newest that can be chosen when none was good', () => {
  expect(firstChoice([version('c', { notDeployableBecause: 'b has no replica' }), version('b')])).toBe('b');
  expect(firstChoice([version('c', { current: true })])).toBeNull();
});

it('says why a version is not eligible', () => {
  expect(whyNotPickable(version('c', { current: true }))).toBe('This is what runs now.');
  expect(whyNotPickable(version('b', { quarantined: 'it eats orders' }))).toBe('It is in quarantine: it eats orders');
  expect(whyNotPickable(version('b', { notDeployableBecause: '2 of 3 regions have it' }))).toBe(
    '2 of 3 regions have it',
  );
});

it('finds a version by any of its words', () => {
  const facts = {
    id: 'hello@1a2b3c4d5e6f',
    commitSha: '1a2b3c4d5e6f',
    commitSubject: 'Answer faster',
    commitAuthor: 'Ada',
  };
  expect(matchesVersion(facts, 'ada FASTER')).toBe(true);
  expect(matchesVersion(facts, '1a2b')).toBe(true);
  expect(matchesVersion(facts, 'ada slower')).toBe(false);
});
