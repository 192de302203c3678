import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Server } from 'lucide-react';
import { Button, buttonClass } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { SearchInput, Select } from '../../components/field.tsx';
import { EmptyState, Loading, Page, Panel } from '../../components/page.tsx';
import { OnlineBadge, StepBadge } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { VirtualRows } from '../../components/virtual-rows.tsx';
import { api, client, type Machine, type Outputs } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural, shortBuild } from '../../lib/format.ts';
import { useSettled, useTitle } from '../../lib/hooks.ts';
import { usePages } from '../../lib/pages.ts';
import { type MachineFilter, type MachinesSearch, machineFilters } from '../../lib/search.ts';
import { RegionTiles } from './region-tiles.tsx';

const pageSize = 200;
const words: Record<MachineFilter, string> = {
  all: 'Any state',
  failed: 'Failed',
  behind: 'Behind',
  offline: 'Offline',
  done: 'Up to date',
};

/** The fleet: every machine, what it runs and whether it is there, the worst first. The server filters, sorts and counts. */
export function MachinesPage({
  search,
  onSearch,
}: {
  search: MachinesSearch;
  onSearch: (search: MachinesSearch) => void;
}) {
  useTitle('Machines');
  const overview = useQuery(api.overview.get.queryOptions());
  const find = useSettled((search.find ?? '').trim(), 250);
  const filters = {
    ...(search.region ? { region: search.region } : {}),
    ...(search.project ? { project: search.project } : {}),
    ...(find ? { find } : {}),
  };
  const show = search.show ?? 'all';
  const states = show === 'all' ? {} : { states: [show] };
  const counts = useQuery({ ...api.machines.counts.queryOptions(filters), placeholderData: keepPreviousData });
  const machines = usePages({
    path: ['machines', 'list'],
    input: { ...filters, ...states },
    pageSize,
    read: (after: { after: string; afterState: Machine['state'] } | undefined, signal) =>
      client.machines.list.query({ ...filters, ...states, order: 'worst', limit: pageSize, ...after }, { signal }),
    next: (last) => ({ after: last.id, afterState: last.state }),
    keyOf: (machine) => machine.id,
  });
  const machinesError = errorToShow(machines);
  const shown = machines.rows;
  const isFiltered = Object.keys(filters).length > 0 || show !== 'all';
  const matching = counts.data?.reduce((sum, region) => sum + region[show === 'all' ? 'machines' : show], 0);
  const inFleet = overview.data?.regions
    .filter(({ region }) => !search.region || region === search.region)
    .reduce((sum, region) => sum + region.machines, 0);
  return (
    <Page title="Machines" below={inFleet !== undefined && `${plural(inFleet, 'machine')} known`}>
      {counts.data && counts.data.length > 0 && (
        <RegionTiles
          counts={counts.data}
          region={search.region}
          onChoose={(region, state) => onSearch({ ...search, region, show: state })}
        />
      )}
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          label="Name, or label=value"
          value={search.find ?? ''}
          onChange={(event) => onSearch({ ...search, find: event.target.value })}
          className="w-56"
        />
        <Select
          label="Region"
          value={search.region ?? ''}
          onChange={(region) => onSearch({ ...search, region })}
          options={[
            { value: '', text: 'All regions' },
            ...(overview.data?.regions ?? []).map(({ region }) => ({ value: region, text: region })),
          ]}
        />
        <Select
          label="Project"
          value={search.project ?? ''}
          onChange={(project) => onSearch({ ...search, project })}
          options={[
            { value: '', text: 'All projects' },
            ...(overview.data?.projects ?? []).map(({ name }) => ({ value: name, text: name })),
          ]}
        />
        <Select
          label="State"
          value={show}
          onChange={(value) => onSearch({ ...search, show: value as MachineFilter })}
          options={machineFilters.map((value) => ({ value, text: stateText(value, counts.data) }))}
        />
        <span className="text-xs text-ink-3" role="status">
          {shown &&
            matching !== undefined &&
            `${shown.length.toLocaleString('en')} of ${plural(matching, 'machine')} shown`}
        </span>
        <span className="min-w-0 flex-1" />
        <div className="w-72 max-w-full">
          <CliLine command={cli.machines({ ...filters, state: show === 'all' ? undefined : show })} />
        </div>
      </div>
      {machinesError && (
        <ErrorPanel
          error={machinesError}
          title="The machines could not be read"
          onRetry={() => void machines.refetch()}
        />
      )}
      {!machinesError && (
        <Panel flush>
          {!shown && <Loading rows={8} label="Loading machines" />}
          {shown && shown.length === 0 && (
            <EmptyState
              icon={Server}
              title={isFiltered ? 'No machine matches these filters' : 'No machine has reported yet'}
              action={
                isFiltered ? (
                  <Button onClick={() => onSearch({})}>Clear the filters</Button>
                ) : (
                  <Link to="/regions" search={{ tab: 'identities' }} className={buttonClass()}>
                    Let agents in
                  </Link>
                )
              }
            >
              {!isFiltered && 'An agent appears here as soon as it has reached the hub of its region.'}
            </EmptyState>
          )}
          {shown && shown.length > 0 && (
            <VirtualRows
              rows={shown}
              keyOf={(machine) => machine.id}
              label="Machines"
              maxHeight="max(20rem, calc(100vh - 20rem))"
              columns="minmax(8rem,1fr) minmax(5rem,7rem) minmax(5.25rem,6.5rem) minmax(16rem,2.4fr) minmax(5rem,6rem)"
              head={['Machine', 'Region', 'State', 'Runs', 'Heard']}
              {...(machines.hasNextPage && { onEnd: () => void machines.fetchNextPage() })}
            >
              {(machine) => ({
                cells: [
                  <Link
                    key="id"
                    to="/machines/$id"
                    params={{ id: machine.id }}
                    className="link block truncate py-0.5 font-mono text-xs font-medium text-ink"
                  >
                    {machine.id}
                  </Link>,
                  <span key="region" className="font-mono text-xs text-ink-2">
                    {machine.region}
                  </span>,
                  <OnlineBadge key="online" online={machine.online} />,
                  <Runs key="runs" machine={machine} />,
                  <span key="heard" className="text-xs text-ink-2">
                    <Ago at={machine.lastSeenAt} />
                  </span>,
                ],
              })}
            </VirtualRows>
          )}
        </Panel>
      )}
    </Page>
  );
}

type Counts = Outputs['machines']['counts'];

/** `Failed (12)`: so that nobody has to choose a state to learn that no machine is in it. */
function stateText(state: MachineFilter, counts: Counts | undefined): string {
  if (state === 'all' || !counts) return words[state];
  return `${words[state]} (${counts.reduce((sum, region) => sum + region[state], 0).toLocaleString('en')})`;
}

function Runs({ machine }: { machine: Machine }) {
  if (machine.projects.length === 0) return <span className="text-xs text-ink-3">nothing</span>;
  return (
    <span className="flex flex-wrap gap-x-5">
      {machine.projects.map((project) => {
        const drifts = project.observedBuild !== project.desiredBuild;
        return (
          <span key={project.project} className="inline-flex items-center gap-2 text-xs" title={project.detail}>
            <Link to="/projects/$project" params={{ project: project.project }} className="link py-1 text-ink">
              {project.project}
            </Link>
            <span className="font-mono text-ink-2">
              {project.observedBuild ? shortBuild(project.observedBuild) : '–'}
              {drifts && project.desiredBuild && ` → ${shortBuild(project.desiredBuild)}`}
            </span>
            <StepBadge step={project.step} />
          </span>
        );
      })}
    </span>
  );
}
