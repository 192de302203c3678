import { Link } from '@tanstack/react-router';
import { CircleCheck, CircleX, CloudOff } from 'lucide-react';
import { Bar } from '../../components/bar.tsx';
import { Panel } from '../../components/page.tsx';
import { DeploymentStatusBadge, KindTag, Status } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { OverviewProject } from '../../lib/api.ts';
import { plural, shortBuild } from '../../lib/format.ts';
import { runningNow, summarizeCell } from '../../lib/matrix.ts';

/** What the project runs at this moment, and the deployment that brought it there. */
export function NowPanel({ project }: { project: OverviewProject }) {
  const deployment = project.lastDeployment;
  const isDeploying = deployment?.status === 'RUNNING';
  const running = runningNow(project).filter(([build]) => build !== null);
  const desired = project.regions.find((cell) => cell.desiredBuild)?.desiredBuild ?? null;
  return (
    <Panel
      title={
        running.length === 0
          ? 'Nothing runs yet'
          : running.length === 1
            ? `Runs ${shortBuild(running[0]![0]!)} on ${plural(running[0]![1], 'machine')}`
            : `Runs ${plural(running.length, 'version')} side by side`
      }
      beside={
        deployment && (
          <span className="flex flex-wrap items-center gap-2 text-xs text-ink-2">
            <Link to="/deployments/$id" params={{ id: String(deployment.id) }} className="link">
              <DeploymentStatusBadge status={deployment.status} pausedBy={deployment.pausedBy} />
            </Link>
            <KindTag kind={deployment.kind} />
            <span className="max-w-96 truncate">
              {deployment.requestedBy}, <Ago at={deployment.finishedAt ?? deployment.createdAt} />
              {deployment.reason && ` – “${deployment.reason}”`}
            </span>
          </span>
        )
      }
    >
      <div className="grid grid-cols-[repeat(auto-fit,minmax(180px,1fr))] gap-x-6 gap-y-3">
        {project.regions.map((cell) => {
          const summary = summarizeCell(cell, isDeploying);
          const words =
            summary.state === 'empty'
              ? summary.text
              : `${summary.upToDate} of ${summary.machines} up to date${
                  cell.desiredBuild && cell.desiredBuild !== desired ? ` with ${shortBuild(cell.desiredBuild)}` : ''
                }`;
          return (
            <Link
              key={cell.region}
              to="/machines"
              search={{ project: project.name, region: cell.region }}
              className="-mx-2 -my-1 block rounded-md px-2 py-1 hover:bg-sunken"
            >
              <span className="flex items-baseline justify-between gap-2">
                <span className="font-mono text-xs font-medium text-ink">{cell.region}</span>
                {summary.failed > 0 ? (
                  <span className="text-xs">
                    <Status tone="bad" icon={CircleX}>
                      {summary.failed} failed
                    </Status>
                  </span>
                ) : summary.offline > 0 ? (
                  <span className="text-xs">
                    <Status tone="warn" icon={CloudOff}>
                      {summary.offline} offline
                    </Status>
                  </span>
                ) : summary.state === 'ok' ? (
                  <CircleCheck aria-hidden className="size-3.5 text-ok" />
                ) : null}
              </span>
              <span className="my-1 block">
                <Bar
                  total={summary.machines}
                  label={words}
                  segments={[
                    { amount: cell.desiredBuild ? summary.upToDate : 0, tone: 'ok' },
                    { amount: summary.failed, tone: 'bad' },
                    { amount: isDeploying ? summary.pending : 0, tone: 'busy' },
                  ]}
                />
              </span>
              <span className="block text-xs text-ink-2">{words}</span>
            </Link>
          );
        })}
      </div>
    </Panel>
  );
}
