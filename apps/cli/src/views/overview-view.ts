import type { Api } from '../client.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { counted, type Ink, marked, type SymbolName, statusText, symbol, timeAgo } from '../terminal/wording.ts';

export type Overview = Awaited<ReturnType<Api['overview']['get']['query']>>;
export type ProjectOverview = Overview['projects'][number];
type Region = ProjectOverview['regions'][number];

export interface Verdict {
  /** How it stands, in the order of what needs a person first. */
  grade: 'bad' | 'warn' | 'busy' | 'good' | 'waiting';
  words: string;
}

const gradeOrder: readonly Verdict['grade'][] = ['bad', 'warn', 'busy', 'waiting', 'good'];

/** The one line that says how a project stands. */
export function judge(project: ProjectOverview): Verdict {
  const machines = sum(project.regions, (region) => region.machines);
  const offline = sum(project.regions, (region) => region.machines - region.online);
  const upToDate = sum(project.regions, (region) => region.upToDate);
  const failed = sum(project.regions, (region) => region.failed);
  const desired = [...new Set(project.regions.map((region) => region.desiredBuild).filter((build) => build !== null))];
  const deployment = project.lastDeployment;
  const parts: string[] = [];
  if (failed > 0) parts.push(`${counted(failed, 'machine')} failed`);
  if (deployment?.status === 'FAILED') parts.push(`deployment ${deployment.id} FAILED`);
  if (project.lastJob?.status === 'FAILED') parts.push(`build job ${project.lastJob.id} FAILED`);
  if (desired.length > 0 && offline > 0) parts.push(`${offline} offline`);
  const wrong = parts.length > 0;

  if (desired.length === 0) parts.push('nothing is deployed');
  else if (upToDate === machines && desired.length === 1)
    parts.push(`all ${counted(machines, 'machine')} run ${desired[0]}`);
  else parts.push(`${upToDate} of ${counted(machines, 'machine')} run ${desired.join(' or ')}`);
  if (deployment?.status === 'RUNNING') parts.push(`deployment ${deployment.id} RUNNING`);
  if (project.lastJob?.status === 'RUNNING' || project.lastJob?.status === 'QUEUED') {
    parts.push(`build job ${project.lastJob.id} ${project.lastJob.status}`);
  }
  const underWay = deployment?.status === 'RUNNING' || (desired.length > 0 && upToDate < machines - offline);
  const grade = failed > 0 ? 'bad' : wrong ? 'warn' : underWay ? 'busy' : desired.length === 0 ? 'waiting' : 'good';
  return { grade, words: parts.join(', ') };
}

/** Projects with what is wrong first, then by name. */
export function problemsFirst(projects: readonly ProjectOverview[]): ProjectOverview[] {
  const rank = (project: ProjectOverview) => gradeOrder.indexOf(judge(project).grade);
  return [...projects].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** The version × region matrix of each project, and the fleet. */
export function describeOverview(overview: Overview, ink: Ink, nowMs: number, columns: number | undefined): string {
  const projects = problemsFirst(overview.projects).map((project) => describeProject(project, ink, nowMs, columns));
  const fleet = overview.regions.map((region) => {
    const words = `${region.region} ${region.online}/${region.machines} online`;
    if (region.online === region.machines) return words;
    const heard = region.heardAt ? `, last heard ${timeAgo(region.heardAt, nowMs)}` : '';
    return ink.paint('warn', words + heard);
  });
  const fleetLine = fleet.length > 0 ? `${ink.paint('quiet', 'machines')}  ${fleet.join('   ')}\n` : '';
  const outOfReach = overview.regions
    .filter((region) => region.keysError !== null)
    .map(
      (region) => `${ink.paint('warn', `keys of ${region.region} out of reach: ${oneLine(region.keysError ?? '')}`)}\n`,
    );
  return [...projects, fleetLine + outOfReach.join('')].filter(Boolean).join('\n');
}

function describeProject(project: ProjectOverview, ink: Ink, nowMs: number, columns: number | undefined): string {
  const { grade, words } = judge(project);
  const lines = [`${marked(symbolOfGrade[grade], project.name, ink)}  ${words}`];
  const deployment = project.lastDeployment;
  if (deployment) {
    const why = oneLine(deployment.outcome ?? deployment.reason);
    const began = `${timeAgo(deployment.createdAt, nowMs)} by ${oneLine(deployment.requestedBy)}`;
    lines.push(
      `  deployment ${deployment.id} ${deployment.kind} of ${deployment.buildId} ${statusText(deployment.status, ink)} ${began}${why ? `: ${why}` : ''}`,
    );
  }
  const matrix = formatTable(
    [{ title: '  BUILD' }, ...project.regions.map(({ region }) => ({ title: region, align: 'right' as const }))],
    matrixRows(project.regions, ink),
    { columns, paint: ink.paint },
  );
  return `${lines.join('\n')}\n${matrix}`;
}

const symbolOfGrade: Record<Verdict['grade'], SymbolName> = {
  bad: 'bad',
  warn: 'warn',
  busy: 'busy',
  good: 'good',
  waiting: 'waiting',
};

/** A row for each build that machines run or were told to run, then rows for what is wrong. */
export function matrixRows(regions: readonly Region[], ink: Ink): string[][] {
  const arrow = symbol('arrow', ink.unicode);
  const none = ink.paint('quiet', ink.unicode ? '·' : '.');
  const count = (value: number) => (value > 0 ? String(value) : none);
  const builds = new Map<string, { machines: number; desired: boolean }>();
  const note = (build: string, machines: number, desired: boolean) => {
    const known = builds.get(build) ?? { machines: 0, desired: false };
    builds.set(build, { machines: known.machines + machines, desired: known.desired || desired });
  };
  for (const region of regions) {
    if (region.desiredBuild) note(region.desiredBuild, 0, true);
    for (const { build, machines } of region.observed) if (build) note(build, machines, false);
  }
  const rows = [...builds]
    .sort(([, a], [, b]) => Number(b.desired) - Number(a.desired) || b.machines - a.machines)
    .map(([build, { desired }]) => [
      `${(desired ? arrow : '').padEnd(2)}${build}`,
      ...regions.map((region) => {
        const running = region.observed.find((entry) => entry.build === build)?.machines ?? 0;
        return region.desiredBuild === build ? `${running}/${region.machines}` : count(running);
      }),
    ]);
  const row = (title: string, tone: 'bad' | 'warn' | 'quiet', of: (region: Region) => number) => {
    const values = regions.map(of);
    if (values.every((value) => value <= 0)) return;
    rows.push([`  ${ink.paint(tone, title)}`, ...values.map(count)]);
  };
  row('nothing of it', 'quiet', (region) => {
    const running = sum(region.observed, (entry) => (entry.build ? entry.machines : 0));
    return builds.size > 0 ? region.machines - running : 0;
  });
  row('failed', 'bad', (region) => region.failed);
  row('offline', 'warn', (region) => region.machines - region.online);
  return rows;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
