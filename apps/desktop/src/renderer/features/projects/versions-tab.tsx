import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Hammer } from 'lucide-react';
import { BuildRows, joinBuilds } from '../../components/build-rows.tsx';
import { Button } from '../../components/button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { api } from '../../lib/api.ts';
import { errorToShow } from '../../lib/errors.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { useUi } from '../../lib/ui-state.ts';

const shown = 30;

export function VersionsTab({ project }: { project: string }) {
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const jobs = useQuery(api.jobs.list.queryOptions({ project, limit: shown }));
  const versions = useQuery(api.builds.versions.queryOptions({ project }));
  const error = errorToShow(jobs) ?? errorToShow(versions);
  if (error) {
    return (
      <ErrorPanel
        error={error}
        title="The versions could not be read"
        onRetry={() => void Promise.all([jobs.refetch(), versions.refetch()])}
      />
    );
  }
  const marks = new Map(versions.data?.map(({ id, current, lastGood }) => [id, { current, lastGood }]));
  return (
    <div className="flex flex-col gap-3">
      <Panel flush>
        {!(jobs.data && versions.data) && <Loading rows={5} label="Loading versions" />}
        {jobs.data && versions.data && jobs.data.length === 0 && (
          <EmptyState
            icon={Hammer}
            title="Nothing was built yet"
            action={
              <Button look="primary" disabledBecause={readOnly} onClick={() => open({ kind: 'build', project })}>
                Build a commit
              </Button>
            }
          >
            A build takes one commit, runs its recipe and brings the result to every region.
          </EmptyState>
        )}
        {jobs.data && versions.data && jobs.data.length > 0 && (
          <BuildRows rows={joinBuilds(jobs.data, versions.data)} showProject={false} marks={marks} />
        )}
      </Panel>
      {jobs.data?.length === shown && (
        <Link to="/builds" search={{ project }} className="link self-center text-accent">
          All builds of {project}
        </Link>
      )}
    </div>
  );
}
