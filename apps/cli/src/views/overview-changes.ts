import { oneLine } from '../terminal/terminal.ts';
import { counted } from '../terminal/wording.ts';
import type { Overview, ProjectOverview } from './overview-view.ts';

/** One thing that changed between two looks at the overview: a line, or an object with --json. */
export interface Change {
  kind: 'project' | 'job' | 'deployment' | 'version' | 'machines';
  project: string | null;
  region: string | null;
  text: string;
  /** What it is now, as the API says it. */
  now: unknown;
}

/** What changed from one look to the next, in the order people read it: jobs, deployments, then the machines. */
export function changesBetween(before: Overview, after: Overview): Change[] {
  const changes: Change[] = [];
  for (const project of after.projects) {
    const earlier = before.projects.find((candidate) => candidate.name === project.name);
    if (!earlier) {
      changes.push({
        kind: 'project',
        project: project.name,
        region: null,
        text: `${project.name} was added`,
        now: project,
      });
      continue;
    }
    changes.push(
      ...jobChanges(earlier, project),
      ...deploymentChanges(earlier, project),
      ...cellChanges(earlier, project),
    );
  }
  for (const region of after.regions) {
    const earlier = before.regions.find((candidate) => candidate.region === region.region);
    if (earlier && earlier.online === region.online && earlier.machines === region.machines) continue;
    changes.push({
      kind: 'machines',
      project: null,
      region: region.region,
      text: `${region.region}: ${region.online} of ${counted(region.machines, 'machine')} online`,
      now: region,
    });
  }
  return changes;
}

function jobChanges(before: ProjectOverview, { name, lastJob: job }: ProjectOverview): Change[] {
  const earlier = before.lastJob;
  if (!job || (earlier?.id === job.id && earlier.status === job.status && earlier.stage === job.stage)) return [];
  const stage = job.status === 'RUNNING' && job.stage ? ` ${job.stage}` : '';
  const why = job.failureReason && job.status === 'FAILED' ? `: ${oneLine(job.failureReason)}` : '';
  const text = `${name}: job ${job.id} of ${job.commitSha.slice(0, 12)} ${job.status}${stage}${why}`;
  return [{ kind: 'job', project: name, region: null, text, now: job }];
}

function deploymentChanges(before: ProjectOverview, { name, lastDeployment: deployment }: ProjectOverview): Change[] {
  const earlier = before.lastDeployment;
  if (!deployment || (earlier?.id === deployment.id && earlier.status === deployment.status)) return [];
  const why = deployment.outcome ? `: ${oneLine(deployment.outcome)}` : '';
  const text = `${name}: deployment ${deployment.id} (${deployment.kind}) of ${deployment.buildId} ${deployment.status}${why}`;
  return [{ kind: 'deployment', project: name, region: null, text, now: deployment }];
}

function cellChanges(before: ProjectOverview, { name, regions }: ProjectOverview): Change[] {
  const changes: Change[] = [];
  for (const cell of regions) {
    const earlier = before.regions.find((candidate) => candidate.region === cell.region);
    const add = (kind: Change['kind'], text: string) =>
      changes.push({ kind, project: name, region: cell.region, text: `${name} in ${cell.region}: ${text}`, now: cell });
    if (earlier?.desiredBuild !== cell.desiredBuild) add('version', `told to run ${cell.desiredBuild ?? 'nothing'}`);
    if (earlier && earlier.upToDate === cell.upToDate && earlier.failed === cell.failed && same(earlier, cell))
      continue;
    const failed = cell.failed > 0 ? `, ${cell.failed} failed` : '';
    add(
      'machines',
      `${cell.upToDate} of ${counted(cell.machines, 'machine')} up to date${failed}${observedText(cell)}`,
    );
  }
  return changes;
}

type Cell = ProjectOverview['regions'][number];

function same(a: Cell, b: Cell): boolean {
  return JSON.stringify(a.observed) === JSON.stringify(b.observed);
}

function observedText({ observed }: Cell): string {
  const running = observed.filter((entry) => entry.build !== null);
  return running.length > 0 ? ` (${running.map((entry) => `${entry.machines} × ${entry.build}`).join(', ')})` : '';
}
