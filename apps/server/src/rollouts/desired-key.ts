import type { MaintenanceRule } from '@starling/shared/maintenance.ts';
import type { Reach } from '@starling/shared/rollout-plan.ts';
import type { Target, UnsignedVersionKey } from '@starling/shared/version-key.ts';
import type { DeploymentKind, DeploymentStatus } from '@starling/shared/words.ts';

// What the version keys of a project must say follows from its deployments alone, so that any control server works out
// the same, and one that died half-way is caught up with by doing it again.

export interface DeploymentFact {
  id: number;
  kind: DeploymentKind;
  status: DeploymentStatus;
  build: string;
  manifestDigest: string;
  salt: string;
  /** Whom its waves reach so far; null for everyone. */
  reach: Reach;
  /** It is paused, halted, or its line is stopped. */
  held: boolean;
  /** A rollback or a hotfix: maintenance windows do not keep it waiting. */
  passesWindows: boolean;
}

/** A build that is asked for and waits for its gates. */
export type WaitingBuild = UnsignedVersionKey['prefetch'][number];

/** More are not fetched ahead: each takes room on every machine, and only one can be the next. */
const mostPrefetched = 2;

export type Statement = Pick<UnsignedVersionKey, 'stable' | 'candidate' | 'prefetch' | 'quarantined' | 'maintenance'>;

/** Keys live this long and are written anew at half-life, so that machines can tell an old statement from a current one. */
export const keyLifetimeMs = 30 * 24 * 3_600_000;

/**
 * Whether a deployment fixes what is stable: one that succeeded does, and a rollback does as soon as it is asked for,
 * since it goes to a build that has proved itself and must not wait for anyone.
 */
function fixesStable({ kind, status }: DeploymentFact): boolean {
  if (status === 'SUCCEEDED') return true;
  return kind === 'ROLLBACK' && status !== 'ABORTED';
}

/**
 * What the key of one region must say.
 * @param newestFirst the project's deployments, newest first, as far back as the newest that fixes what is stable
 * @param rules when machines of the project may be touched
 * @param quarantined builds that machines may know not to be trusted
 * @param waiting builds that machines may fetch ahead, newest first
 */
export function statementFor(
  newestFirst: readonly DeploymentFact[],
  region: string,
  quarantined: readonly string[],
  rules: readonly MaintenanceRule[] = [],
  waiting: readonly WaitingBuild[] = [],
): Statement {
  const stable = newestFirst.find(fixesStable);
  const newest = newestFirst[0];
  const candidate = newest && newest.status === 'RUNNING' && newest !== stable ? newest : undefined;
  return {
    stable: stable ? targetOf(stable) : null,
    candidate: candidate ? candidateOf(candidate, region) : null,
    prefetch: prefetchOf(waiting, [stable, candidate], quarantined),
    quarantined: [...quarantined],
    ...(rules.length > 0 && {
      maintenance: {
        rules: [...rules],
        passes: [stable, candidate].flatMap((named) => (named?.passesWindows ? [named.id] : [])),
      },
    }),
  };
}

/** What the key names as a target anyway, and what nobody should run, is not fetched ahead. */
function prefetchOf(
  waiting: readonly WaitingBuild[],
  targets: readonly (DeploymentFact | undefined)[],
  quarantined: readonly string[],
): Statement['prefetch'] {
  const passedOver = new Set([...quarantined, ...targets.map((target) => target?.build)]);
  const ahead = new Map<string, WaitingBuild>();
  for (const { build, manifestDigest } of waiting)
    if (!passedOver.has(build) && ahead.size < mostPrefetched) ahead.set(build, { build, manifestDigest });
  return [...ahead.values()];
}

/** Nothing at all for a region whose turn has not come. */
function candidateOf(deployment: DeploymentFact, region: string): Statement['candidate'] {
  const reach = deployment.reach === null ? { fraction: 1 } : deployment.reach[region];
  if (!reach || (reach.fraction === 0 && !reach.selectors?.length)) return null;
  const { fraction, selectors } = reach;
  const held = deployment.held && { held: true as const };
  return { ...targetOf(deployment), salt: deployment.salt, fraction, ...(selectors && { selectors }), ...held };
}

function targetOf({ id, build, manifestDigest }: DeploymentFact): Target {
  return { build, manifestDigest, deployment: id };
}
