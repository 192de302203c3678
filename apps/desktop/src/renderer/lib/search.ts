import { type IdentityKind, identityKinds } from '@starling/shared/permissions.ts';
import { type DeploymentStatus, deploymentStatuses } from '@starling/shared/words.ts';
import { type Period, periods } from './periods.ts';

// Filters and tabs live in the address, so that they survive a reload and can be shared. Whatever an address says is
// read leniently: what is not understood is as if it were not there.

export const projectTabs = ['versions', 'deployments', 'machines'] as const;
export type ProjectTab = (typeof projectTabs)[number];
export const machineFilters = ['all', 'failed', 'behind', 'offline', 'done'] as const;
export type MachineFilter = (typeof machineFilters)[number];
export const jobFilters = ['all', 'running', 'built', 'failed'] as const;
export type JobFilter = (typeof jobFilters)[number];

export interface ProjectSearch {
  tab?: ProjectTab;
}
export interface BuildsSearch {
  project?: string;
  show?: JobFilter;
}
export interface JobSearch {
  find?: string;
}
export interface DeploymentsSearch {
  project?: string;
}
export interface MachinesSearch {
  project?: string;
  region?: string;
  show?: MachineFilter;
  find?: string;
}

export const historyTabs = ['deployments', 'trends'] as const;
export interface HistorySearch {
  tab?: (typeof historyTabs)[number];
  project?: string;
  person?: string;
  /** A build id or the first digits of a commit's SHA. */
  build?: string;
  status?: DeploymentStatus;
  period?: Period;
}
export interface AuditSearch {
  project?: string;
  actor?: string;
  action?: string;
  period?: Period;
}
export const regionTabs = ['regions', 'identities'] as const;
export interface RegionsSearch {
  tab?: (typeof regionTabs)[number];
  kind?: IdentityKind;
  region?: string;
  show?: 'revoked';
}
export const settingsTabs = ['projects', 'freezes', 'alerts', 'retention', 'people', 'tokens'] as const;
export type SettingsTab = (typeof settingsTabs)[number];
export interface SettingsSearch {
  tab?: SettingsTab;
  project?: string;
}

type Raw = Record<string, unknown>;

function text(raw: Raw, key: string): string | undefined {
  const value = raw[key];
  // The router reads `?find=123` as a number.
  const found = typeof value === 'number' ? String(value) : value;
  return typeof found === 'string' && found !== '' ? found.slice(0, 200) : undefined;
}

function choice<Choice extends string>(raw: Raw, key: string, choices: readonly Choice[]): Choice | undefined {
  return choices.find((candidate) => candidate === raw[key]);
}

/** Drops what is undefined, so that addresses stay short. */
function kept<Search extends object>(search: { [Key in keyof Search]: Search[Key] | undefined }): Search {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as Search;
}

export const readProjectSearch = (raw: Raw) => kept<ProjectSearch>({ tab: choice(raw, 'tab', projectTabs) });
export const readBuildsSearch = (raw: Raw) =>
  kept<BuildsSearch>({ project: text(raw, 'project'), show: choice(raw, 'show', jobFilters) });
export const readJobSearch = (raw: Raw) => kept<JobSearch>({ find: text(raw, 'find') });
export const readDeploymentsSearch = (raw: Raw) => kept<DeploymentsSearch>({ project: text(raw, 'project') });
export const readMachinesSearch = (raw: Raw) =>
  kept<MachinesSearch>({
    project: text(raw, 'project'),
    region: text(raw, 'region'),
    show: choice(raw, 'show', machineFilters),
    find: text(raw, 'find'),
  });
export const readHistorySearch = (raw: Raw) =>
  kept<HistorySearch>({
    tab: choice(raw, 'tab', historyTabs),
    project: text(raw, 'project'),
    person: text(raw, 'person'),
    build: text(raw, 'build'),
    status: choice(raw, 'status', deploymentStatuses),
    period: choice(raw, 'period', periods),
  });
export const readAuditSearch = (raw: Raw) =>
  kept<AuditSearch>({
    project: text(raw, 'project'),
    actor: text(raw, 'actor'),
    action: text(raw, 'action'),
    period: choice(raw, 'period', periods),
  });
export const readRegionsSearch = (raw: Raw) =>
  kept<RegionsSearch>({
    tab: choice(raw, 'tab', regionTabs),
    kind: choice(raw, 'kind', identityKinds),
    region: text(raw, 'region'),
    show: choice(raw, 'show', ['revoked'] as const),
  });
export const readSettingsSearch = (raw: Raw) =>
  kept<SettingsSearch>({ tab: choice(raw, 'tab', settingsTabs), project: text(raw, 'project') });
