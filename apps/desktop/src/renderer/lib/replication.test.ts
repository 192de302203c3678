import { expect, it } from 'vitest';
import { whyWaiting } from './replication.ts';

const now = Date.UTC(2026, 0, 1, 12);
const replica = (region: string, facts: object = {}) => ({
  region,
  status: 'REPLICATED',
  bytesDone: 100,
  bytesTotal: 100,
  startedAt: new Date(now - 83_000).toISOString(),
  failureReason: null,
  ...facts,
});

it('says which region is missing, how far it is and for how long', () => {
  const replicas = [replica('us-east'), replica('eu-west', { status: 'COPYING', bytesDone: 83 })];
  expect(whyWaiting(replicas, 'server words', now)).toBe('1 of 2 regions have it: eu-west 83 %, about 20 s');
});

it('guesses no time for what waits or failed', () => {
  const replicas = [
    replica('a', { status: 'PENDING', bytesDone: 0, startedAt: null }),
    replica('b', { status: 'FAILED', failureReason: 'the store is down' }),
  ];
  expect(whyWaiting(replicas, 'server words', now)).toBe(
    '0 of 2 regions have it: b failed: the store is down; a waits',
  );
});

it('is brief where there is little room', () => {
  const replicas = [
    replica('a', { status: 'PENDING' }),
    replica('b', { status: 'FAILED', failureReason: 'long' }),
    replica('c'),
  ];
  expect(whyWaiting(replicas, 'server words', now, true)).toBe('1 of 3 regions have it: b failed; and 1 more');
});

it('has the server decide what can be deployed', () => {
  expect(whyWaiting([replica('a', { status: 'COPYING' })], null, now)).toBeNull();
  expect(whyWaiting([replica('a')], 'b has no replica', now)).toBe('b has no replica');
});
