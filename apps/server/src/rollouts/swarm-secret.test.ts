import { describe, expect, it } from 'vitest';
import { keyLifetimeMs } from './desired-key.ts';
import { isSecretDue, swarmSecretAfter } from './swarm-secret.ts';

describe('the secret of a key', () => {
  it('is made when there is none, and stays over the keys that follow', () => {
    expect(isSecretDue(undefined, 1_000)).toBe(true);
    const made = swarmSecretAfter(undefined, 1_000);
    expect(Buffer.from(made.secret, 'base64')).toHaveLength(32);
    expect(made).toEqual({ secret: made.secret, madeAt: 1_000 });
    expect(swarmSecretAfter(made, 1_000 + keyLifetimeMs / 2 - 1)).toBe(made);
  });

  it('is followed by another at half the life of a key, which knows the one before and no older one', () => {
    const first = swarmSecretAfter(undefined, 0);
    expect(isSecretDue(first, keyLifetimeMs / 2)).toBe(true);
    const second = swarmSecretAfter(first, keyLifetimeMs / 2);
    expect(second.earlier).toBe(first.secret);
    expect(second.secret).not.toBe(first.secret);
    const third = swarmSecretAfter(second, keyLifetimeMs);
    expect(third.earlier).toBe(second.secret);
    expect(JSON.stringify(third)).not.toContain(first.secret);
  });
});
