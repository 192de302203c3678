import { formatDuration } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import type { WhenBusy } from '@starling/shared/words.ts';
import type { Api } from './client.ts';
import { oneLine } from './terminal/terminal.ts';
import { counted, type Ink, timeAgo } from './terminal/wording.ts';
import { type Gate, gateText } from './views/deployment-view.ts';

// What a deployment would do, for --dry-run and for the question before it. The server decides anew when it is asked
// to act; this only looks.

export type Version = Awaited<ReturnType<Api['builds']['versions']['query']>>[number];

export interface DeploymentPlan {
  project: string;
  build: string;
  commitSha: string;
  commitSubject: string;
  commitAuthor: string;
  createdAt: string;
  /** What the project's newest deployment put on the machines. */
  current: string | null;
  machines: number;
  online: number;
  regions: number;
  /** A deployment that is still running, which a new one would meet. */
  running: { id: number; buildId: string; requestedBy: string } | null;
  /** What it would have to pass before it begins; empty for a rollback. */
  gates: Pick<Gate, 'gate' | 'status' | 'detail'>[];
  /** The waves it would go in, with the machines that each adds now; empty for a rollback, which goes to all at once. */
  waves: Preview['waves'];
  /** What is measured before its waves and while they bake. */
  checks: { name: string; when: string[] }[];
  /** What their bake times come to. */
  atLeastMs: number;
  /** Why the server would refuse it now; null when it would not. */
  refusedBecause: string | null;
}

type Preview = Awaited<ReturnType<Api['deployments']['preview']['query']>>;

/** How a deployment that has gates to pass would be asked for. */
export interface Gated {
  whenBusy: WhenBusy;
  hotfix: boolean;
  rollout: WrittenRolloutSettings | undefined;
}

interface PlanOptions {
  project: string;
  name: string | undefined;
  mayReplace: boolean;
  /** How it would be asked for; undefined for what has no gates to pass. */
  gated: Gated | undefined;
}

/** Plans putting `name` (a build's id, or the first digits of its commit) or the last good build on the machines. */
export async function planDeployment(
  api: Api,
  { project, name, mayReplace, gated }: PlanOptions,
): Promise<DeploymentPlan> {
  const [overview, versions, [newest]] = await Promise.all([
    api.overview.get.query(),
    api.builds.versions.query({ project }),
    api.deployments.list.query({ project, limit: 1 }),
  ]);
  const found = overview.projects.find((candidate) => candidate.name === project);
  if (!found) {
    throw new StarlingError('NOT_FOUND', `There is no project "${project}".`, {
      field: 'project',
      fix: 'List them with: starling project list',
    });
  }
  const version = name === undefined ? lastGoodOf(project, versions) : findVersion(project, versions, name);
  const { rollout, ...asked } = gated ?? { rollout: undefined };
  const [gates, preview] = gated
    ? await Promise.all([
        api.deployments.gates.query({ project, build: version.id, ...asked }),
        api.deployments.preview.query({ project, build: version.id, ...(rollout && { rollout }) }),
      ])
    : [[], undefined];
  const refused = gates.find(({ status }) => status === 'REFUSED');
  const running = newest?.status === 'RUNNING' ? newest : undefined;
  return {
    project,
    build: version.id,
    commitSha: version.commitSha,
    commitSubject: version.commitSubject,
    commitAuthor: version.commitAuthor,
    createdAt: version.createdAt,
    current: versions.find((candidate) => candidate.current)?.id ?? null,
    machines: found.regions.reduce((sum, region) => sum + region.machines, 0),
    online: found.regions.reduce((sum, region) => sum + region.online, 0),
    regions: found.regions.length,
    gates,
    waves: preview?.waves ?? [],
    checks: (preview?.plan.analysis ?? []).map(({ name, when }) => ({ name, when })),
    atLeastMs: preview?.atLeastMs ?? 0,
    running: running ? { id: running.id, buildId: running.buildId, requestedBy: running.requestedBy } : null,
    refusedBecause: version.notDeployableBecause
      ? `it is not deployable yet: ${version.notDeployableBecause}`
      : running && !mayReplace
        ? `deployment ${running.id} of ${running.buildId} by ${running.requestedBy} is still running`
        : refused
          ? `${refused.gate}: ${refused.detail}`
          : version.quarantined
            ? `it is in quarantine: ${version.quarantined}`
            : preview?.nobodyIn.length
              ? `no machine that is online is in the wave ${preview.nobodyIn[0]}`
              : null,
  };
}

function lastGoodOf(project: string, versions: readonly Version[]): Version {
  const version = versions.find((candidate) => candidate.lastGood);
  if (version) return version;
  throw new StarlingError('PRECONDITION_FAILED', `${project} has no earlier build that ran well.`, {
    field: 'build',
    fix: `Name a build to go back to; list them with: starling builds ${project}`,
  });
}

/** The version a person means among the newest; NOT_FOUND and CONFLICT as the server would say them. */
export function findVersion(project: string, versions: readonly Version[], name: string): Version {
  const matching = versions.filter(
    (version) => version.id === name || (/^[0-9a-f]{4,64}$/.test(name) && version.commitSha.startsWith(name)),
  );
  if (new Set(matching.map((version) => version.commitSha)).size > 1) {
    throw new StarlingError('CONFLICT', `Builds of several commits begin with ${name}.`, {
      field: 'build',
      fix: 'Give more digits of the SHA.',
    });
  }
  const version = matching[0];
  if (version) return version;
  throw new StarlingError('NOT_FOUND', `${project} has no build "${name}" among its newest ${versions.length}.`, {
    field: 'build',
    fix: `List what there is with: starling builds ${project}`,
  });
}

/** The plan in a few lines, for a person to decide by. */
export function describePlan(plan: DeploymentPlan, nowMs: number, ink: Ink): string {
  const offline = plan.machines - plan.online;
  const lines = [
    `${plan.build}  ${oneLine(plan.commitSubject)} (${oneLine(plan.commitAuthor)}, built ${timeAgo(plan.createdAt, nowMs)})`,
    `  goes to ${counted(plan.machines, 'machine')} in ${counted(plan.regions, 'region')}${offline > 0 ? `, ${offline} of them offline` : ''}`,
    plan.current === plan.build
      ? '  which were told to run it already'
      : `  which run ${plan.current ?? 'nothing of it yet'}`,
  ];
  if (plan.running) {
    lines.push(
      `  and takes the place of deployment ${plan.running.id} (${plan.running.buildId}), which is still running`,
    );
  }
  if (plan.waves.length > 1) {
    const least = plan.atLeastMs > 0 ? `, which takes ${formatDuration(plan.atLeastMs)} at least` : '';
    lines.push(`  in ${plan.waves.length} waves${least}:`, ...plan.waves.map((wave) => `    ${waveText(wave)}`));
  }
  for (const [when, words] of [
    ['before', 'before each wave'],
    ['bake', 'while a wave bakes'],
  ] as const) {
    const names = plan.checks.filter((check) => check.when.includes(when)).map(({ name }) => oneLine(name));
    if (names.length > 0) lines.push(`  checked ${words}: ${names.join(', ')}`);
  }
  const holds = plan.gates.filter(({ status }) => status === 'WAITING' || status === 'REFUSED');
  if (holds.length > 0) lines.push('  and would not begin before these gates are passed:');
  for (const gate of plan.gates) lines.push(`    ${gateText(gate, ink)}`);
  return lines.join('\n');
}

/** `1. 10 %, then 5 m of bake time: eu 2 (m1, m2), us 1 (m7)`. */
function waveText({ wave, who, bakeMs, regions }: Preview['waves'][number]): string {
  const bake = bakeMs > 0 ? `, then ${formatDuration(bakeMs)} of bake time` : '';
  const where = regions.map(({ region, machines, first }) => {
    const more = machines > first.length ? ', …' : '';
    return `${region} ${machines} (${first.map(oneLine).join(', ')}${more})`;
  });
  return `${wave}. ${who}${bake}: ${where.join(', ') || 'no machine more'}`;
}
