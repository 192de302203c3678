import { formatDuration } from '@starling/shared/durations.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';

export interface KeyCheck {
  trusted: TrustedKeys;
  region: string;
  /** Milliseconds since the epoch. */
  now: number;
  /** The number of the last key that was followed, of the same project; 0 when there was none. */
  lastSequence: number;
}

export type KeyVerdict = { follow: true } | { follow: false; reason: string | null };

/**
 * Whether a machine follows a version key. The hub that brought it is not trusted: the signature, the region, the
 * expiry and the number decide. A `reason` is a refusal to be told; null means that the key is known already.
 */
export function checkKey(key: VersionKey, { trusted, region, now, lastSequence }: KeyCheck): KeyVerdict {
  const refuse = (reason: string): KeyVerdict => ({
    follow: false,
    reason: `version key ${key.sequence} of ${key.project} refused: ${reason}`,
  });
  const untrusted = trusted.refusal(key);
  if (untrusted) return refuse(untrusted);
  if (key.region !== region) return refuse(`it is for the region ${key.region}, this machine is in ${region}`);
  if (key.sequence === lastSequence) return { follow: false, reason: null };
  if (key.sequence < lastSequence) return refuse(`it is older than key ${lastSequence}, which was followed already`);
  if (key.expiresAt <= now) return refuse(`it expired ${formatDuration(now - key.expiresAt)} ago`);
  return { follow: true };
}
