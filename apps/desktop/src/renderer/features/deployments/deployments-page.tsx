import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Rocket } from 'lucide-react';
import { buttonClass } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { DeploymentList } from '../../components/deployment-list.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Select } from '../../components/field.tsx';
import { EmptyState, Loading, Page, Panel } from '../../components/page.tsx';
import { api, client } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { useTitle } from '../../lib/hooks.ts';
import { usePages } from '../../lib/pages.ts';
import type { DeploymentsSearch } from '../../lib/search.ts';

const pageSize = 50;

export function DeploymentsPage({
  search,
  onSearch,
}: {
  search: DeploymentsSearch;
  onSearch: (search: DeploymentsSearch) => void;
}) {
  useTitle('Deployments');
  const projects = useQuery(api.projects.list.queryOptions());
  const ofProject = search.project ? { project: search.project } : {};
  const deployments = usePages({
    path: ['deployments', 'list'],
    input: ofProject,
    pageSize,
    read: (before: number | undefined, signal) =>
      client.deployments.list.query({ ...ofProject, limit: pageSize, ...(before ? { before } : {}) }, { signal }),
    next: (last) => last.id,
    keyOf: (row) => row.id,
  });
  const { rows } = deployments;
  const error = errorToShow(deployments);
  return (
    <Page title="Deployments" below="Who changed what, when, why, and how it ended">
      <div className="flex flex-wrap items-center gap-3">
        <Select
          label="Project"
          value={search.project ?? ''}
          onChange={(value) => onSearch({ project: value })}
          options={[
            { value: '', text: 'All projects' },
            ...(projects.data ?? []).map(({ name }) => ({ value: name, text: name })),
          ]}
        />
        <Link
          to="/history"
          search={search.project ? { project: search.project } : {}}
          className="link text-xs text-accent"
        >
          Search the whole history
        </Link>
        <span className="min-w-0 flex-1" />
        <div className="w-72 max-w-full">
          <CliLine command={cli.deployments(search.project)} />
        </div>
      </div>
      {error && (
        <ErrorPanel
          error={error}
          title="The deployments could not be read"
          onRetry={() => void deployments.refetch()}
        />
      )}
      {!error && (
        <Panel flush>
          {!rows && <Loading rows={8} label="Loading deployments" />}
          {rows && rows.length === 0 && (
            <EmptyState
              icon={Rocket}
              title="Nothing was deployed yet"
              action={
                <Link to="/builds" className={buttonClass('primary')}>
                  Choose a build to deploy
                </Link>
              }
            />
          )}
          {rows && rows.length > 0 && (
            <DeploymentList
              deployments={rows}
              maxHeight="max(20rem, calc(100vh - 12rem))"
              onEnd={deployments.hasNextPage ? () => void deployments.fetchNextPage() : undefined}
            />
          )}
        </Panel>
      )}
    </Page>
  );
}
