import { describeWaveOf } from '@starling/shared/rollout-plan.ts';
import { CirclePause, Layers, OctagonX, Timer } from 'lucide-react';
import { Status } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { DeploymentWithRegions } from '../../lib/api.ts';

/** Which wave a deployment is in; where it stands still, who wants that and why. Nothing for what goes to all at once. */
export function WavePanel({ deployment }: { deployment: DeploymentWithRegions }) {
  const { plan, wave, status } = deployment;
  const inWaves = plan !== null && plan.waves.length > 1;
  const stands = status === 'RUNNING' && (deployment.pausedAt !== null || deployment.stopped !== null);
  if (!inWaves && !stands) return null;
  return (
    <section className="panel flex flex-wrap items-center gap-x-6 gap-y-1 px-4 py-2.5" aria-label="Waves">
      {inWaves && (
        <span className="inline-flex items-center gap-1.5 text-ink">
          <Layers aria-hidden className="size-3.5 text-ink-2" />
          {describeWaveOf(plan, wave)}
        </span>
      )}
      {status === 'RUNNING' && <Stillness deployment={deployment} />}
    </section>
  );
}

function Stillness({ deployment }: { deployment: DeploymentWithRegions }) {
  const { pausedAt, pausedBy, pauseReason, stopped, bakeBeganAt } = deployment;
  if (pausedAt !== null) {
    const isHalt = pausedBy === 'starling';
    return (
      <span className="min-w-0 break-words text-ink-2">
        <Status tone={isHalt ? 'bad' : 'warn'} icon={isHalt ? OctagonX : CirclePause} boxed>
          {isHalt ? 'Halted' : `Paused by ${pausedBy}`}
        </Status>{' '}
        <Ago at={pausedAt} />
        {pauseReason && `: ${pauseReason}`}
      </span>
    );
  }
  if (stopped !== null) {
    return (
      <span className="min-w-0 break-words text-ink-2">
        <Status tone="warn" icon={CirclePause} boxed>
          {`The line is stopped by ${stopped.by}`}
        </Status>{' '}
        {stopped.reason}
      </span>
    );
  }
  if (bakeBeganAt === null) return null;
  return (
    <Status tone="busy" icon={Timer} boxed>
      Bakes
    </Status>
  );
}
