import { useQuery } from '@tanstack/react-query';
import { FolderGit2, Plus } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Loading, Page, Panel } from '../../components/page.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import { sortProjects } from '../../lib/matrix.ts';
import { useUi } from '../../lib/ui-state.ts';
import { FleetSummary } from './fleet-summary.tsx';
import { Matrix } from './matrix-table.tsx';

/** What runs where, what is wrong, what is in progress, and what changed last. */
export function OverviewPage() {
  useTitle('Overview');
  const read = useQuery(api.overview.get.queryOptions());
  const { data, refetch } = read;
  const error = errorToShow(read);
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const addProject = (
    <Button
      look={data?.projects.length === 0 ? 'primary' : 'plain'}
      disabledBecause={readOnly}
      onClick={() => open({ kind: 'add-project' })}
      icon={<Plus aria-hidden className="size-3.5" />}
    >
      Add a project
    </Button>
  );
  return (
    <Page
      title="What runs where"
      below={
        data && `${plural(data.projects.length, 'project')} in ${plural(data.regions.length, 'region')}, problems first`
      }
      actions={data && data.projects.length > 0 ? addProject : undefined}
    >
      {error && <ErrorPanel error={error} title="The overview could not be read" onRetry={() => void refetch()} />}
      {!data && !error && (
        <Panel flush>
          <Loading rows={6} label="Loading the overview" />
        </Panel>
      )}
      {data && data.projects.length === 0 && (
        <Panel>
          <EmptyState icon={FolderGit2} title="Starling has no project yet" action={addProject}>
            Add the repository of an application. Starling then builds it, brings the build to every region, and you
            deploy it to all machines.
          </EmptyState>
        </Panel>
      )}
      {data && data.projects.length > 0 && (
        <>
          <FleetSummary overview={data} />
          <Panel flush>
            <Matrix projects={sortProjects(data.projects)} regions={data.regions} />
          </Panel>
          <div className="max-w-md">
            <CliLine command={cli.status()} />
          </div>
        </>
      )}
    </Page>
  );
}
