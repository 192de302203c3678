import { expect, it } from 'vitest';
import { forPeople, sameStatement, swarmSecretsOf, type VersionKey, versionKey } from './version-key.ts';

const secret = Buffer.alloc(32, 1).toString('base64');
const earlier = Buffer.alloc(32, 2).toString('base64');
const key: VersionKey = {
  format: 1,
  project: 'hello',
  region: 'eu',
  sequence: 1,
  issuedAt: 1,
  expiresAt: 2,
  stable: null,
  candidate: null,
  prefetch: [],
  quarantined: [],
  signature: { keyId: 'k', value: 'v' },
};

it('a key brings its secret to machines, the newest first, and shows none to people', () => {
  const sealed = versionKey.parse({ ...key, swarm: { secret, earlier, madeAt: 1 } });
  expect(swarmSecretsOf(sealed)).toEqual([secret, earlier]);
  expect(swarmSecretsOf(key)).toEqual([]);
  expect(forPeople(sealed)).toEqual(key);
  expect(sameStatement(sealed, key)).toBe(true);
});

it('a secret of another length is no secret', () => {
  const short = Buffer.alloc(16).toString('base64');
  expect(versionKey.safeParse({ ...key, swarm: { secret: short, madeAt: 1 } }).success).toBe(false);
});
