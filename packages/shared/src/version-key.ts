import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { buildId, machineId, projectName, regionName, sha256Hex } from './words.ts';

// The signed, numbered statement of what the machines of one region must run of one project. It is O(1)
// however many machines there are: each machine works out from the key alone whether it is in the wave.

const target = z.object({
  build: buildId,
  /** SHA-256 of the build's manifest, so that the key vouches for every byte. */
  manifestDigest: sha256Hex,
  /** The deployment that put it here; reports name it. */
  deployment: z.number().int().positive(),
});
export type Target = z.infer<typeof target>;

const signature = z.object({ keyId: z.string().max(64), value: z.string().max(128) });

export const versionKey = z.object({
  format: z.literal(1),
  project: projectName,
  region: regionName,
  /** Grows by one with every write; a machine never follows a key numbered lower than one it has seen. */
  sequence: z.number().int().positive(),
  /** Milliseconds since the epoch. */
  issuedAt: z.number().int(),
  expiresAt: z.number().int(),
  /** What every machine outside the wave runs; null before the first success. */
  stable: target.nullable(),
  /** What the machines of the wave run instead. */
  candidate: target.extend({ salt: z.string().max(64), fraction: z.number().min(0).max(1) }).nullable(),
  /** Builds that machines may fetch ahead of any decision. */
  prefetch: z.array(z.object({ build: buildId, manifestDigest: sha256Hex })).max(8),
  quarantined: z.array(buildId).max(256),
  signature,
});
export type VersionKey = z.infer<typeof versionKey>;
export type UnsignedVersionKey = Omit<VersionKey, 'signature'>;

/** Where a machine stands in a wave: a number in [0, 1) that is the same for everyone who computes it. */
export function positionInWave(salt: string, machine: string): number {
  const digest = createHash('sha256')
    .update(`${salt}\n${machineId.parse(machine)}`)
    .digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/** What this machine must run by this key; null when nothing is deployed to it yet. */
export function targetFor(key: UnsignedVersionKey, machine: string): Target | null {
  const { candidate } = key;
  if (candidate && positionInWave(candidate.salt, machine) < candidate.fraction) {
    return { build: candidate.build, manifestDigest: candidate.manifestDigest, deployment: candidate.deployment };
  }
  return key.stable;
}

/** Every build the key names, once each: what a hub has to hold. */
export function buildsNamedBy(key: UnsignedVersionKey): { build: string; manifestDigest: string }[] {
  const named = [key.candidate, key.stable, ...key.prefetch].filter((entry) => entry !== null);
  return [...new Map(named.map(({ build, manifestDigest }) => [manifestDigest, { build, manifestDigest }])).values()];
}

/** Whether two keys say the same, apart from their number, times and signature. */
export function sameStatement(a: UnsignedVersionKey, b: UnsignedVersionKey): boolean {
  const statement = ({ stable, candidate, prefetch, quarantined }: UnsignedVersionKey) =>
    canonicalJson({ stable, candidate, prefetch, quarantined });
  return statement(a) === statement(b);
}
