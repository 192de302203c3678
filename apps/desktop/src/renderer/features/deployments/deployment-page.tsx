import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CirclePause, CirclePlay, CircleSlash, FastForward, History } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Loading, Page, Panel } from '../../components/page.tsx';
import { DeploymentStatusBadge, KindTag } from '../../components/status.tsx';
import { Ago, Took } from '../../components/time.tsx';
import { api, client, type DeploymentMachine } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { shortBuild } from '../../lib/format.ts';
import { useSettled, useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import { usePages } from '../../lib/pages.ts';
import type { MachinesSearch } from '../../lib/search.ts';
import { useUi } from '../../lib/ui-state.ts';
import { ChecksPanel } from './checks-panel.tsx';
import { DeploymentMachines } from './deployment-machines.tsx';
import { GatesPanel } from './gates-panel.tsx';
import { ProgressPanel } from './progress-panel.tsx';
import { RegionTable } from './region-progress.tsx';
import { whyNotSteer } from './steering.ts';
import { SwarmPanel } from './swarm-panel.tsx';
import { usePaces } from './use-pace.ts';
import { WavePanel } from './wave-panel.tsx';

const machinesPerPage = 500;
const steering = {
  pause: { text: 'Pause', icon: CirclePause },
  resume: { text: 'Resume', icon: CirclePlay },
  promote: { text: 'Promote', icon: FastForward },
} as const;

/** One deployment, live: each region, each machine, the outcome, and the ways to steer and to stop it. */
export function DeploymentPage({
  id,
  search,
  onSearch,
}: {
  id: number;
  search: MachinesSearch;
  onSearch: (search: MachinesSearch) => void;
}) {
  useTitle(`Deployment ${id}`);
  const read = useQuery(api.deployments.get.queryOptions({ id }));
  const { data: deployment, refetch } = read;
  const error = errorToShow(read);
  const find = useSettled((search.find ?? '').trim(), 250);
  const filters = {
    ...(search.region ? { region: search.region } : {}),
    ...(find ? { find } : {}),
    ...(search.show && search.show !== 'all' ? { state: search.show } : {}),
  };
  const climb = useQuery(api.deployments.burnUp.queryOptions({ id }));
  const machines = usePages({
    path: ['deployments', 'machines'],
    input: { id, ...filters },
    pageSize: machinesPerPage,
    read: (after: { after: string; afterState: DeploymentMachine['state'] } | undefined, signal) =>
      client.deployments.machines.query(
        { id, ...filters, order: 'worst', limit: machinesPerPage, ...after },
        { signal },
      ),
    next: (last) => ({ after: last.machine, afterState: last.state }),
    keyOf: ({ machine }) => machine,
  });
  const machinesError = errorToShow(machines);
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const paceOf = usePaces(deployment?.status === 'RUNNING' ? deployment.regions : undefined);
  const isOpen = deployment?.status === 'RUNNING' || deployment?.status === 'WAITING';
  return (
    <Page
      above={
        deployment && (
          <>
            <Link to="/projects/$project" params={{ project: deployment.project }} className="link">
              {deployment.project}
            </Link>
            <span aria-hidden>/</span>
            <Link to="/deployments" search={{ project: deployment.project }} className="link">
              deployments
            </Link>
          </>
        )
      }
      title={deployment ? `${deployment.build.commitSubject}` : `Deployment ${id}`}
      beside={
        deployment && (
          <>
            <DeploymentStatusBadge status={deployment.status} pausedBy={deployment.pausedBy} boxed />
            <KindTag kind={deployment.kind} />
          </>
        )
      }
      below={
        deployment && (
          <>
            Deployment {id}:{' '}
            <span className="font-mono text-xs">
              {deployment.previousBuildId ? `${shortBuild(deployment.previousBuildId)} → ` : ''}
              <Link to="/builds/$id" params={{ id: deployment.buildId }} className="link text-ink">
                {shortBuild(deployment.buildId)}
              </Link>
            </span>
            , by {deployment.requestedBy} <Ago at={deployment.createdAt} />
            {', '}
            <Took from={deployment.createdAt} to={deployment.finishedAt} />
            {deployment.reason && <> – “{deployment.reason}”</>}
          </>
        )
      }
      actions={
        deployment && (
          <>
            {(['pause', 'resume', 'promote'] as const).map((verb) => {
              const { text, icon: Icon } = steering[verb];
              return (
                <Button
                  key={verb}
                  disabledBecause={readOnly ?? whyNotSteer(verb, deployment)}
                  onClick={() => open({ kind: 'steer', deploymentId: id, project: deployment.project, verb })}
                  icon={<Icon aria-hidden className="size-3.5" />}
                >
                  {text}
                </Button>
              );
            })}
            <Button
              look="danger"
              disabledBecause={readOnly ?? (isOpen ? null : `It has ended: ${deployment.status.toLowerCase()}.`)}
              onClick={() => open({ kind: 'abort', deploymentId: id, project: deployment.project })}
              icon={<CircleSlash aria-hidden className="size-3.5" />}
            >
              Abort
            </Button>
            <Button
              disabledBecause={readOnly}
              onClick={() => open({ kind: 'rollback', project: deployment.project })}
              icon={<History aria-hidden className="size-3.5" />}
            >
              Roll back
            </Button>
          </>
        )
      }
    >
      {error && (
        <ErrorPanel error={error} title={`Deployment ${id} could not be read`} onRetry={() => void refetch()} />
      )}
      {!deployment && !error && (
        <Panel flush>
          <Loading rows={6} label="Loading the deployment" />
        </Panel>
      )}
      {deployment && (
        <>
          {deployment.gates.length > 0 && <GatesPanel deployment={deployment} />}
          {deployment.status !== 'WAITING' && (
            <>
              <WavePanel deployment={deployment} />
              <ChecksPanel deployment={deployment} />
              <ProgressPanel deployment={deployment} climb={climb.data ?? []} pace={paceOf()} />
              <RegionTable
                deployment={deployment}
                paceOfRegion={paceOf}
                onChoose={(name) => onSearch({ ...search, region: name })}
              />
              <SwarmPanel deployment={deployment} />
            </>
          )}
          {machinesError ? (
            <ErrorPanel
              error={machinesError}
              title="The machines could not be read"
              onRetry={() => void machines.refetch()}
            />
          ) : (
            <DeploymentMachines
              deployment={deployment}
              machines={machines.rows}
              search={search}
              onSearch={onSearch}
              onMore={machines.hasNextPage ? () => void machines.fetchNextPage() : undefined}
            />
          )}
          <div className="max-w-md">
            <CliLine command={cli.deployment(id)} />
          </div>
        </>
      )}
    </Page>
  );
}
