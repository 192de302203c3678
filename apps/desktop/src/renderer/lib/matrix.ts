import type { OverviewProject, RegionCell } from './api.ts';

/** What one cell of the version × region matrix says, worst first. */
export type CellState = 'failed' | 'offline' | 'updating' | 'behind' | 'ok' | 'empty';

export interface CellSummary {
  state: CellState;
  /** In words, so that the colour is never alone: `3 of 4 up to date`, `1 failed`. */
  text: string;
  upToDate: number;
  failed: number;
  offline: number;
  pending: number;
  machines: number;
}

type CellFacts = Pick<RegionCell, 'desiredBuild' | 'machines' | 'online' | 'upToDate' | 'failed'>;

/** `isDeploying`: a deployment of the project runs, so machines that are behind are on their way. */
export function summarizeCell(cell: CellFacts, isDeploying: boolean): CellSummary {
  const { machines, online, failed } = cell;
  const offline = Math.max(0, machines - online);
  const upToDate = Math.min(cell.upToDate, online);
  const pending = Math.max(0, online - upToDate - failed);
  const facts = { upToDate, failed, offline, pending, machines };
  if (machines === 0) return { ...facts, state: 'empty', text: 'no machines' };
  if (!cell.desiredBuild) return { ...facts, state: 'empty', text: 'nothing deployed' };
  if (failed > 0) return { ...facts, state: 'failed', text: `${failed} failed` };
  if (pending > 0 && isDeploying) return { ...facts, state: 'updating', text: 'updating' };
  if (offline > 0) return { ...facts, state: 'offline', text: `${offline} offline` };
  if (pending > 0) return { ...facts, state: 'behind', text: `${pending} behind` };
  return { ...facts, state: 'ok', text: 'up to date' };
}

/** 3 needs a person now, 2 should be looked at, 1 is in progress, 0 is well. */
export type Concern = 0 | 1 | 2 | 3;

type ProjectFacts = {
  name: string;
  regions: readonly CellFacts[];
  /** `pausedBy`: who lets it stand still; `starling` halted it itself. */
  lastDeployment: { status: string; pausedBy?: string | null } | null;
  lastJob: { status: string } | null;
};

export function concernOf(project: ProjectFacts): Concern {
  const isDeploying = project.lastDeployment?.status === 'RUNNING';
  const states = new Set(project.regions.map((cell) => summarizeCell(cell, isDeploying).state));
  const isHalted = isDeploying && project.lastDeployment?.pausedBy === 'starling';
  if (states.has('failed') || isHalted || project.lastDeployment?.status === 'FAILED') return 3;
  const isPaused = isDeploying && Boolean(project.lastDeployment?.pausedBy);
  if (isPaused || states.has('offline') || states.has('behind') || project.lastJob?.status === 'FAILED') return 2;
  if (isDeploying || project.lastJob?.status === 'RUNNING' || project.lastJob?.status === 'QUEUED') return 1;
  return 0;
}

/** Problems first, then what is in progress, then by name. */
export function sortProjects<Project extends ProjectFacts>(projects: readonly Project[]): Project[] {
  return [...projects].sort((a, b) => concernOf(b) - concernOf(a) || a.name.localeCompare(b.name, 'en'));
}

/** What a project runs, most machines first: `[['hello@…', 9], [null, 3]]`. */
export function runningNow(project: Pick<OverviewProject, 'regions'>): [build: string | null, machines: number][] {
  const counts = new Map<string | null, number>();
  for (const { observed } of project.regions) {
    for (const { build, machines } of observed) counts.set(build, (counts.get(build) ?? 0) + machines);
  }
  return [...counts].sort((a, b) => b[1] - a[1]);
}
