import { useQuery } from '@tanstack/react-query';
import { Hammer, Plus } from 'lucide-react';
import { useEffect } from 'react';
import { joinBuilds } from '../../components/build-rows.tsx';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Select } from '../../components/field.tsx';
import { EmptyState, Loading, Page, Panel } from '../../components/page.tsx';
import { api, client, type Inputs } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import { usePages } from '../../lib/pages.ts';
import type { BuildsSearch, JobFilter } from '../../lib/search.ts';
import { useUi } from '../../lib/ui-state.ts';
import { BuildList } from './build-list.tsx';

const pageSize = 50;
const buildsPerPage = 100;
type Asked = Pick<NonNullable<Inputs['jobs']['list']>, 'status' | 'group'>;
const filters: { value: JobFilter; text: string; asked: Asked }[] = [
  { value: 'all', text: 'Any status', asked: {} },
  { value: 'running', text: 'In progress', asked: { group: 'open' } },
  { value: 'built', text: 'Built', asked: { status: 'SUCCEEDED' } },
  { value: 'failed', text: 'Failed or cancelled', asked: { group: 'unsuccessful' } },
];

/** Every build that was asked for, in all projects or in one. */
export function BuildsPage({ search, onSearch }: { search: BuildsSearch; onSearch: (search: BuildsSearch) => void }) {
  useTitle('Builds');
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const projects = useQuery(api.projects.list.queryOptions());
  const filter = filters.find(({ value }) => value === search.show) ?? filters[0]!;
  const ofProject = search.project ? { project: search.project } : {};
  const wanted = { ...ofProject, ...filter.asked };
  const jobs = usePages({
    path: ['jobs', 'list'],
    input: wanted,
    pageSize,
    read: (before: number | undefined, signal) =>
      client.jobs.list.query({ ...wanted, limit: pageSize, ...(before ? { before } : {}) }, { signal }),
    next: (last) => last.id,
    keyOf: (row) => row.id,
  });
  const builds = usePages({
    path: ['builds', 'list'],
    input: ofProject,
    pageSize: buildsPerPage,
    read: (before: string | undefined, signal) =>
      client.builds.list.query({ ...ofProject, limit: buildsPerPage, ...(before ? { before } : {}) }, { signal }),
    next: (last) => last.id,
    keyOf: ({ id }) => id,
  });
  // A build is younger than its job: those of the jobs that are shown are read when the builds reach as far back.
  const oldestJob = jobs.rows?.findLast(({ buildId }) => buildId !== null);
  const oldestBuild = builds.rows?.at(-1);
  const lacksBuilds =
    builds.hasNextPage && !builds.isFetching && oldestJob && oldestBuild && oldestBuild.createdAt > oldestJob.createdAt;
  const { fetchNextPage: readMoreBuilds } = builds;
  useEffect(() => {
    if (lacksBuilds) void readMoreBuilds();
  }, [lacksBuilds, readMoreBuilds]);
  const rows = jobs.rows && builds.rows && joinBuilds(jobs.rows, builds.rows);
  const project = search.project ?? projects.data?.[0]?.name;
  const error = errorToShow(jobs) ?? errorToShow(builds);
  return (
    <Page
      title="Builds"
      below="Every commit that was built or is being built"
      actions={
        <Button
          disabledBecause={readOnly ?? (project ? null : 'Add a project first.')}
          onClick={() => project && open({ kind: 'build', project })}
          icon={<Plus aria-hidden className="size-3.5" />}
        >
          Build a commit
        </Button>
      }
    >
      <div className="flex flex-wrap items-center gap-2">
        <Select
          label="Project"
          value={search.project ?? ''}
          onChange={(value) => onSearch({ ...search, project: value })}
          options={[
            { value: '', text: 'All projects' },
            ...(projects.data ?? []).map(({ name }) => ({ value: name, text: name })),
          ]}
        />
        <Select
          label="Status"
          value={filter.value}
          onChange={(value) => onSearch({ ...search, show: value as JobFilter })}
          options={filters}
        />
        <span className="min-w-0 flex-1" />
        <div className="w-72 max-w-full">
          <CliLine command={filter.value === 'all' ? cli.builds(search.project) : cli.jobs(wanted)} />
        </div>
      </div>
      {error && (
        <ErrorPanel
          error={error}
          title="The builds could not be read"
          onRetry={() => void Promise.all([jobs.refetch(), builds.refetch()])}
        />
      )}
      {!error && (
        <Panel flush>
          {!rows && <Loading rows={8} label="Loading builds" />}
          {rows && rows.length === 0 && (
            <EmptyState
              icon={Hammer}
              title={filter.value === 'all' ? 'Nothing was built yet' : 'No build has this status'}
              action={
                filter.value === 'all' ? (
                  <Button
                    look="primary"
                    disabledBecause={readOnly ?? (project ? null : 'Add a project first.')}
                    onClick={() => project && open({ kind: 'build', project })}
                  >
                    Build a commit
                  </Button>
                ) : (
                  <Button onClick={() => onSearch({ ...search, show: 'all' })}>Show all</Button>
                )
              }
            />
          )}
          {rows && rows.length > 0 && (
            <BuildList
              rows={rows}
              maxHeight="max(20rem, calc(100vh - 12rem))"
              onEnd={jobs.hasNextPage ? () => void jobs.fetchNextPage() : undefined}
            />
          )}
        </Panel>
      )}
    </Page>
  );
}
