import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Rocket } from 'lucide-react';
import { DeployButton } from '../../components/deploy-button.tsx';
import { DeploymentRows } from '../../components/deployment-rows.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { api } from '../../lib/api.ts';
import { errorToShow } from '../../lib/errors.ts';

const shown = 30;

export function DeploymentsTab({ project }: { project: string }) {
  const read = useQuery(api.deployments.list.queryOptions({ project, limit: shown }));
  const { data, refetch } = read;
  const error = errorToShow(read);
  const versions = useQuery(api.builds.versions.queryOptions({ project }));
  if (error)
    return <ErrorPanel error={error} title="The deployments could not be read" onRetry={() => void refetch()} />;
  return (
    <div className="flex flex-col gap-3">
      <Panel flush>
        {!data && <Loading rows={5} label="Loading deployments" />}
        {data && data.length === 0 && (
          <EmptyState
            icon={Rocket}
            title="Nothing was deployed yet"
            action={<DeployButton build={versions.data?.[0]} word="Deploy the newest build" reason="below" />}
          />
        )}
        {data && data.length > 0 && <DeploymentRows deployments={data} showProject={false} />}
      </Panel>
      {data?.length === shown && (
        <Link to="/deployments" search={{ project }} className="link self-center text-accent">
          All deployments of {project}
        </Link>
      )}
    </div>
  );
}
