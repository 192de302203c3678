import { randomBytes } from 'node:crypto';
import type { UnsignedVersionKey } from '@starling/shared/version-key.ts';
import { keyLifetimeMs } from './desired-key.ts';

type SwarmSecret = NonNullable<UnsignedVersionKey['swarm']>;

/** A secret is followed by another when its key would be written anew for its age, even if the key was written meanwhile. */
const secretLifetimeMs = keyLifetimeMs / 2;

/** Whether the key must be written for the sake of its secret alone. */
export function isSecretDue(current: SwarmSecret | undefined, nowMs: number): boolean {
  return current === undefined || nowMs - current.madeAt >= secretLifetimeMs;
}

/**
 * The secret of the next key of a project and region. It stays over the keys that deployments write; the one that follows
 * keeps it as the earlier one, so that machines that learn of the change sooner and later still understand each other.
 */
export function swarmSecretAfter(current: SwarmSecret | undefined, nowMs: number): SwarmSecret {
  if (current && !isSecretDue(current, nowMs)) return current;
  return {
    secret: randomBytes(32).toString('base64'),
    ...(current && { earlier: current.secret }),
    madeAt: nowMs,
  };
}
