import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import type { WeeklyWindow } from './freezes.ts';
import { maintenanceRules, windowsOf } from './maintenance.ts';
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

/** 32 bytes. */
const secret = z.base64().length(44);

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
  candidate: target
    .extend({
      salt: z.string().max(64),
      fraction: z.number().min(0).max(1),
      /** Machines with all labels of one of these are in the wave too. Left out where none is: so it was before. */
      selectors: z.array(z.record(z.string(), z.string())).max(20).optional(),
      /** The deployment stands still: machines may fetch it, and none goes over to it that has not begun to. */
      held: z.literal(true).optional(),
    })
    .nullable(),
  /** Builds that machines may fetch ahead of any decision. */
  prefetch: z.array(z.object({ build: buildId, manifestDigest: sha256Hex })).max(8),
  quarantined: z.array(buildId).max(256),
  /** When machines may be touched, where that is not always; deployments that `passes` names are not kept waiting. */
  maintenance: z.object({ rules: maintenanceRules, passes: z.array(z.number().int().positive()).max(8) }).optional(),
  /**
   * What members of the region's swarms prove to each other that they know, and encrypt by; `earlier` is still taken from
   * those that have not got this key yet. Shown to nobody: see `forPeople`.
   */
  swarm: z.object({ secret, earlier: secret.optional(), madeAt: z.number().int() }).optional(),
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

/** What says who is in a wave; of a key, or of a deployment that is only planned. */
export interface WaveOfKey {
  salt: string;
  fraction: number;
  selectors?: readonly Record<string, string>[] | undefined;
}

/** Whether a machine is in the wave; the one place where it is decided, for agents and for the server. */
export function isInWave(wave: WaveOfKey, machine: string, labels: Readonly<Record<string, string>>): boolean {
  if (wave.selectors?.some((selector) => matches(selector, labels))) return true;
  return wave.fraction > 0 && (wave.fraction >= 1 || positionInWave(wave.salt, machine) < wave.fraction);
}

/** No label at all selects nobody: a key that lost them must not reach everyone. */
function matches(selector: Record<string, string>, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(selector);
  return wanted.length > 0 && wanted.every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
}

/**
 * The fraction to say so that exactly these of the machines are in the wave: the first `share` of them by position, and one
 * at least. Machines that join later are in it by chance. The share itself where there is no machine yet.
 */
export function fractionReaching(salt: string, machines: readonly string[], share: number): number {
  if (share >= 1 || machines.length === 0) return share;
  const positions = machines.map((machine) => positionInWave(salt, machine)).sort((a, b) => a - b);
  // Less a little, as 3 x 0.1 is a little more than 0.3.
  const count = Math.min(Math.max(Math.ceil(machines.length * share - 1e-9), 1), machines.length);
  return Math.min(1, positions[count - 1]! + 1 / 2 ** 48);
}

/** What this machine must run by this key; null when nothing is deployed to it yet. */
export function targetFor(
  key: UnsignedVersionKey,
  machine: string,
  labels: Readonly<Record<string, string>> = {},
): Target | null {
  const { candidate } = key;
  if (candidate && isInWave(candidate, machine, labels)) {
    return { build: candidate.build, manifestDigest: candidate.manifestDigest, deployment: candidate.deployment };
  }
  return key.stable;
}

/** Whether a machine that was told to run `target` is to wait before it stops what it runs. */
export function isHeld({ candidate }: UnsignedVersionKey, target: Target): boolean {
  return candidate?.held === true && candidate.deployment === target.deployment;
}

/** The windows within which a machine may go over to `target`; none where that is at any time. */
export function windowsFor(
  { maintenance }: UnsignedVersionKey,
  target: Target,
  labels: Readonly<Record<string, string>>,
): WeeklyWindow[] {
  if (!maintenance || maintenance.passes.includes(target.deployment)) return [];
  return windowsOf(maintenance.rules, labels);
}

/** Every build the key names, once each: what a hub has to hold. */
export function buildsNamedBy(key: UnsignedVersionKey): { build: string; manifestDigest: string }[] {
  const named = [key.candidate, key.stable, ...key.prefetch].filter((entry) => entry !== null);
  return [...new Map(named.map(({ build, manifestDigest }) => [manifestDigest, { build, manifestDigest }])).values()];
}

/** A key without what must be shown to nobody; every way to people goes through here. */
export function forPeople({ swarm: _, ...shown }: VersionKey): Omit<VersionKey, 'swarm'> {
  return shown;
}

/** The secrets that a key brings, the newest first, base64. */
export function swarmSecretsOf({ swarm }: UnsignedVersionKey): string[] {
  return swarm ? [swarm.secret, ...(swarm.earlier ? [swarm.earlier] : [])] : [];
}

/** Whether two keys say the same, apart from their number, times, secret and signature. */
export function sameStatement(a: UnsignedVersionKey, b: UnsignedVersionKey): boolean {
  const statement = ({ stable, candidate, prefetch, quarantined, maintenance }: UnsignedVersionKey) =>
    canonicalJson({ stable, candidate, prefetch, quarantined, maintenance });
  return statement(a) === statement(b);
}
