import { Link } from '@tanstack/react-router';
import { CirclePlay, CircleSlash } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { Panel } from '../../components/page.tsx';
import { DeploymentStatusBadge } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { Overview } from '../../lib/api.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { useUi } from '../../lib/ui-state.ts';

/** Deployments that began and stand still until a person says how to go on. */
export function StandingStill({ overview }: { overview: Overview }) {
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const still = standingStill(overview);
  if (still.length === 0) return null;
  return (
    <Panel title={`Stands still (${still.length})`} flush>
      <ul>
        {still.map((deployment) => (
          <li
            key={deployment.id}
            className="flex flex-wrap items-center gap-x-6 gap-y-2 border-b border-line px-4 py-3 last:border-b-0"
          >
            <div className="min-w-0 flex-1 basis-72">
              <p className="flex items-center gap-2">
                <DeploymentStatusBadge status={deployment.status} pausedBy={deployment.pausedBy} />
                <Link
                  to="/deployments/$id"
                  params={{ id: String(deployment.id) }}
                  className="link truncate font-medium text-ink"
                >
                  {deployment.commitSubject}
                </Link>
              </p>
              <p className="text-xs text-ink-2">
                {deployment.project}, wave {deployment.wave} of {deployment.waves}, <Ago at={deployment.pausedAt} />
                {deployment.pauseReason && <>: {deployment.pauseReason}</>}
              </p>
            </div>
            <span className="flex gap-2">
              <Button
                size="small"
                disabledBecause={readOnly}
                onClick={() => open({ kind: 'abort', deploymentId: deployment.id, project: deployment.project })}
                icon={<CircleSlash aria-hidden className="size-3.5" />}
              >
                Abort<span className="sr-only"> deployment {deployment.id}</span>
              </Button>
              <Button
                size="small"
                look="primary"
                disabledBecause={readOnly}
                onClick={() =>
                  open({ kind: 'steer', deploymentId: deployment.id, project: deployment.project, verb: 'resume' })
                }
                icon={<CirclePlay aria-hidden className="size-3.5" />}
              >
                Resume<span className="sr-only"> deployment {deployment.id}</span>
              </Button>
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

export const standingStill = (overview: Overview) =>
  overview.projects.flatMap(({ lastDeployment }) =>
    lastDeployment?.status === 'RUNNING' && lastDeployment.pausedAt !== null ? [lastDeployment] : [],
  );
