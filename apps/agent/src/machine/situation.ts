import { weeklyWindow } from '@starling/shared/freezes.ts';
import type { MachineReport } from '@starling/shared/hub-protocol.ts';
import {
  isHeld,
  type Target,
  targetFor,
  type UnsignedVersionKey,
  versionKey,
  windowsFor,
} from '@starling/shared/version-key.ts';
import { buildId, type MachineStep, machineSteps, projectName } from '@starling/shared/words.ts';
import { z } from 'zod';

// What a machine knows of one project, and what the journal holds. Everything that a restart needs is here;
// what can be read from the disk or from the process table is not.

const target = versionKey.shape.stable.unwrap();

export const situation = z.object({
  format: z.literal(1),
  project: projectName,
  state: z.enum(machineSteps),
  /** What the last accepted key tells this machine; `stable` when it is the key's stable target, `held` while it waits. */
  desired: z
    .object({
      target,
      stable: z.boolean(),
      held: z.boolean().default(false),
      /** Only within these may the machine go over to it; none: at any time. */
      windows: z.array(weeklyWindow).default([]),
    })
    .nullable(),
  /** The target that is worked on, or that failed. */
  attempt: target.extend({ refetched: z.boolean() }).nullable(),
  /** The build that was last found healthy here: where a failed attempt goes back to. */
  current: target.nullable(),
  /** When it was found healthy, in milliseconds since the epoch; null when that is not known. */
  committedAt: z.number().nullable().default(null),
  /** The good builds before it, latest first. */
  earlier: z.array(target),
  /** REVERTING to nothing at all, because nothing is deployed to this machine any more. */
  retiring: z.boolean(),
  /** Why the attempt failed. */
  problem: z.string(),
  /** How often the same target failed in a row, and when it may be tried again. */
  failures: z
    .object({ build: buildId, deployment: z.number().int(), count: z.number().int(), retryAt: z.number() })
    .nullable(),
});
export type Situation = z.infer<typeof situation>;
export type Desired = NonNullable<Situation['desired']>;

export const maxEarlier = 20;

export function initialSituation(project: string): Situation {
  return {
    format: 1,
    project,
    state: 'IDLE',
    desired: null,
    attempt: null,
    current: null,
    committedAt: null,
    earlier: [],
    retiring: false,
    problem: '',
    failures: null,
  };
}

/** What a key tells a machine; null when it is to run nothing. */
export function desiredBy(
  key: UnsignedVersionKey,
  machine: string,
  labels: Readonly<Record<string, string>>,
): Desired | null {
  const wanted = targetFor(key, machine, labels);
  if (!wanted) return null;
  return {
    target: wanted,
    stable: key.stable !== null && sameTarget(wanted, key.stable),
    held: isHeld(key, wanted),
    windows: windowsFor(key, wanted, labels),
  };
}

export function sameBuild(a: Target, b: Target): boolean {
  return a.build === b.build && a.manifestDigest === b.manifestDigest;
}

export function sameTarget(a: Target, b: Target): boolean {
  return sameBuild(a, b) && a.deployment === b.deployment;
}

/** The states in which the committed program is the one that runs, and is to be kept running. */
export const restsOnCurrent: ReadonlySet<MachineStep> = new Set([
  'FETCHING',
  'VERIFYING',
  'STAGED',
  'COMMITTED',
  'FAILED',
]);

/** The states that a finished update ends in. */
export const isAtRest = (state: MachineStep): boolean =>
  state === 'IDLE' || state === 'COMMITTED' || state === 'FAILED';

/** What a report says of a situation; its sequence and time are the outbox's to give. */
export function reportOf(
  { project, state, desired, attempt, current, retiring }: Situation,
  detail: string,
): Omit<MachineReport, 'sequence' | 'at'> {
  const running = restsOnCurrent.has(state) || state === 'STOPPING' || state === 'SWAPPING' || retiring;
  const worksOn = state === 'COMMITTED' || retiring ? current : state === 'IDLE' ? null : attempt;
  return {
    project,
    step: state,
    observedBuild: state === 'IDLE' ? null : ((running ? current : attempt)?.build ?? null),
    desiredBuild: desired?.target.build ?? null,
    deployment: worksOn?.deployment ?? null,
    detail: detail.length > 4_000 ? `${detail.slice(0, 3_999)}…` : detail,
  };
}
