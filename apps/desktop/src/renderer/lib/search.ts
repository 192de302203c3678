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
