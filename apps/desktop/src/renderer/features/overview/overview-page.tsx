import { useQuery } from '@tanstack/react-query';
import { Plus } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Loading, Page, Panel } from '../../components/page.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import { sortProjects } from '../../lib/matrix.ts';
import { useUi } from '../../lib/ui-state.ts';
import { FirstRun } from './first-run.tsx';
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
  const isNew = data?.projects.every(({ lastJob }) => lastJob === null) ?? false;
  const addProject = (
    <Button
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
        data &&
        (isNew
          ? 'A few steps to the first build'
          : `${plural(data.projects.length, 'project')} in ${plural(data.regions.length, 'region')}, problems first`)
      }
      actions={data && data.projects.length > 0 ? addProject : undefined}
    >
      {error && <ErrorPanel error={error} title="The overview could not be read" onRetry={() => void refetch()} />}
      {!data && !error && (
        <Panel flush>
          <Loading rows={6} label="Loading the overview" />
        </Panel>
      )}
      {data && isNew && <FirstRun overview={data} />}
      {data && !isNew && (
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
