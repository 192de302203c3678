import { Link } from '@tanstack/react-router';
import type { Deployment } from '../lib/api.ts';
import { shortBuild } from '../lib/format.ts';
import { DeploymentStatusBadge, KindTag } from './status.tsx';
import { Ago, Took } from './time.tsx';

/** Deployments: who, what, when, why, how long, and how it ended. */
export function DeploymentRows({
  deployments,
  showProject,
}: {
  deployments: readonly Deployment[];
  showProject: boolean;
}) {
  return (
    <table className="grid-table">
      <caption className="sr-only">Deployments, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Version</th>
          {showProject && <th scope="col">Project</th>}
          <th scope="col">Who and why</th>
          <th scope="col">When</th>
          <th scope="col">Took</th>
        </tr>
      </thead>
      <tbody>
        {deployments.map((deployment) => (
          <tr key={deployment.id}>
            <td className="w-36">
              <Link to="/deployments/$id" params={{ id: String(deployment.id) }} className="link inline-block">
                <DeploymentStatusBadge status={deployment.status} pausedBy={deployment.pausedBy} />
                <span className="sr-only">, deployment {deployment.id}</span>
              </Link>
              <span className="block text-xs whitespace-nowrap text-ink-3">deployment {deployment.id}</span>
            </td>
            <td className="max-w-0 min-w-52" style={{ width: '34%' }}>
              <span className="flex items-center gap-2">
                <KindTag kind={deployment.kind} />
                <Link
                  to="/builds/$id"
                  params={{ id: deployment.buildId }}
                  className="link truncate py-0.5 text-ink"
                  title={deployment.commitSubject}
                >
                  {deployment.commitSubject}
                </Link>
              </span>
              <span className="block font-mono text-xs text-ink-3">
                {deployment.previousBuildId && `${shortBuild(deployment.previousBuildId)} → `}
                {shortBuild(deployment.buildId)}
              </span>
            </td>
            {showProject && (
              <td className="whitespace-nowrap">
                <Link to="/projects/$project" params={{ project: deployment.project }} className="link text-ink">
                  {deployment.project}
                </Link>
              </td>
            )}
            <td className="max-w-0 min-w-44" style={{ width: '30%' }}>
              <span className="block truncate text-ink">
                {deployment.requestedBy}
                {deployment.reason && (
                  <span className="text-ink-2" title={deployment.reason}>
                    {' '}
                    – “{deployment.reason}”
                  </span>
                )}
              </span>
              {deployment.outcome && (
                <span
                  className={`block truncate text-xs ${deployment.status === 'FAILED' ? 'text-bad' : 'text-ink-3'}`}
                  title={deployment.outcome}
                >
                  {deployment.outcome}
                </span>
              )}
            </td>
            <td className="text-xs text-ink-2">
              <Ago at={deployment.createdAt} />
            </td>
            <td className="text-xs text-ink-2">
              <Took from={deployment.createdAt} to={deployment.finishedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
