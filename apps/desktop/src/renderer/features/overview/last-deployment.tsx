import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Bar } from '../../components/bar.tsx';
import { DeploymentStatusBadge, KindTag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { api, type OverviewProject } from '../../lib/api.ts';
import { plural, shortBuild } from '../../lib/format.ts';
import { totalsOf } from '../../lib/rollout.ts';

/** Who deployed what, when and why; how far it is while it runs. */
export function LastDeployment({ project }: { project: OverviewProject }) {
  const deployment = project.lastDeployment;
  if (!deployment) return <p className="py-1 text-xs text-ink-3">Never deployed</p>;
  return (
    <div className="flex w-60 flex-col gap-1">
      <div className="flex flex-wrap items-center gap-2">
        <Link to="/deployments/$id" params={{ id: String(deployment.id) }} className="link font-medium">
          <DeploymentStatusBadge status={deployment.status} pausedBy={deployment.pausedBy} />
          <span className="sr-only">
            , deployment {deployment.id} of {project.name}
          </span>
        </Link>
        <KindTag kind={deployment.kind} />
        <span className="font-mono text-xs text-ink-2">{shortBuild(deployment.buildId)}</span>
      </div>
      <p className="truncate text-ink" title={deployment.commitSubject}>
        {deployment.commitSubject}
      </p>
      <p className="truncate text-xs text-ink-3">
        {deployment.requestedBy}, <Ago at={deployment.finishedAt ?? deployment.createdAt} />
        {deployment.reason && <span title={deployment.reason}> – “{deployment.reason}”</span>}
      </p>
      {deployment.status === 'RUNNING' && <InlineProgress id={deployment.id} />}
      {deployment.status === 'FAILED' && deployment.outcome && (
        <p className="line-clamp-2 text-xs text-bad" title={deployment.outcome}>
          {deployment.outcome}
        </p>
      )}
    </div>
  );
}

function InlineProgress({ id }: { id: number }) {
  const { data } = useQuery(api.deployments.get.queryOptions({ id }));
  if (!data) return null;
  const totals = totalsOf(data.regions);
  const words = `${totals.done} of ${plural(totals.machines, 'machine')} done${
    totals.failed > 0 ? `, ${totals.failed} failed` : ''
  }${totals.offline > 0 ? `, ${totals.offline} offline` : ''}`;
  return (
    <div className="flex flex-col gap-1">
      <Bar
        total={totals.machines}
        label={words}
        segments={[
          { amount: totals.done, tone: 'ok' },
          { amount: totals.failed, tone: 'bad' },
          { amount: totals.inProgress, tone: 'busy' },
        ]}
      />
      <span className="text-xs text-ink-2">{words}</span>
    </div>
  );
}
