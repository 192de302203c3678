import { describeWave, type RolloutPlan } from '@starling/shared/rollout-plan.ts';
import { Check, CircleDashed, CirclePause, LoaderCircle, OctagonX, Timer } from 'lucide-react';
import { Status } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { DeploymentWithRegions } from '../../lib/api.ts';
import { formatDuration } from '../../lib/format.ts';
import { useNow } from '../../lib/hooks.ts';

/** In which waves a deployment goes and where it is; where it stands still, who wants that and why. */
export function WavePanel({ deployment }: { deployment: DeploymentWithRegions }) {
  const { plan, status } = deployment;
  const inWaves = plan !== null && plan.waves.length > 1;
  const stands = status === 'RUNNING' && (deployment.pausedAt !== null || deployment.stopped !== null);
  if (!inWaves && !stands) return null;
  return (
    <section className="panel overflow-hidden" aria-label="Waves">
      {stands && <Stillness deployment={deployment} />}
      {inWaves && <Waves plan={plan} deployment={deployment} />}
    </section>
  );
}

function Stillness({
  deployment: { pausedAt, pausedBy, pauseReason, stopped },
}: {
  deployment: DeploymentWithRegions;
}) {
  const isHalt = pausedAt !== null && pausedBy === 'starling';
  const Icon = isHalt || pausedAt === null ? OctagonX : CirclePause;
  return (
    <p
      role="status"
      className={`flex flex-wrap items-baseline gap-x-2 border-b border-line px-4 py-2.5 ${isHalt ? 'bg-bad-soft text-bad' : 'bg-warn-soft text-warn'}`}
    >
      <Icon aria-hidden className="size-4 shrink-0 self-center" />
      <span className="font-semibold">
        {pausedAt === null
          ? `It stands still: the line is stopped by ${stopped?.by}`
          : isHalt
            ? 'Halted'
            : `Paused by ${pausedBy}`}
      </span>
      {pausedAt !== null && <Ago at={pausedAt} />}
      <span className="min-w-0 break-words text-ink">{pausedAt === null ? stopped?.reason : pauseReason}</span>
      {isHalt && <span className="text-ink-2">Resume it to go on, or abort it to go back.</span>}
    </p>
  );
}

function Waves({ plan, deployment }: { plan: RolloutPlan; deployment: DeploymentWithRegions }) {
  const now = useNow();
  const { wave, status, bakeBeganAt, pausedAt } = deployment;
  const isRunning = status === 'RUNNING';
  const width = `repeat(${Math.min(plan.waves.length, 6)}, minmax(0, 1fr))`;
  return (
    <ol className="grid" style={{ gridTemplateColumns: width }}>
      {plan.waves.map((planned, index) => {
        const number = index + 1;
        const isCurrent = isRunning && number === wave;
        const isDone = status === 'SUCCEEDED' || number < wave;
        const bakes = isCurrent && bakeBeganAt !== null && planned.bakeMs > 0;
        const bakedMs = bakes ? now - Date.parse(bakeBeganAt) : 0;
        const share = isDone ? 1 : bakes ? Math.min(1, bakedMs / planned.bakeMs) : 0;
        return (
          <li
            // biome-ignore lint/suspicious/noArrayIndexKey: the waves of a plan never move.
            key={index}
            {...(isCurrent && { 'aria-current': 'step' })}
            className={`relative min-w-0 border-r border-line px-4 py-2.5 last:border-r-0 ${isCurrent ? 'bg-accent-soft/50' : ''}`}
          >
            <span className={`absolute inset-x-0 bottom-0 h-0.5 ${isDone ? 'bg-ok-bar' : 'bg-line'}`} />
            {bakes && (
              <span className="absolute bottom-0 left-0 h-0.5 bg-busy-bar" style={{ width: `${share * 100}%` }} />
            )}
            <span className="block text-2xs font-semibold text-ink-3">
              {number === 1 ? 'Canary' : `Wave ${number}`}
              {number === 1 && plan.waves.length > 1 && ', wave 1'}
            </span>
            <span className="block truncate font-medium text-ink" title={describeWave(planned)}>
              {describeWave(planned)}
            </span>
            <span className="mt-0.5 block text-xs">
              {isDone ? (
                <Status tone="ok" icon={Check}>
                  begun and through
                </Status>
              ) : isCurrent && pausedAt !== null ? (
                <Status tone="warn" icon={CirclePause}>
                  stands still
                </Status>
              ) : bakes ? (
                <Status tone="busy" icon={Timer}>
                  bakes, {formatDuration(Math.max(0, planned.bakeMs - bakedMs))} to go
                </Status>
              ) : isCurrent ? (
                <Status tone="busy" icon={LoaderCircle} spinning>
                  under way
                </Status>
              ) : (
                <Status tone="idle" icon={CircleDashed}>
                  {isRunning || status === 'WAITING' ? 'later' : number === wave ? 'ended here' : 'not reached'}
                </Status>
              )}
              {planned.bakeMs > 0 && !bakes && !isDone && (
                <span className="text-ink-3">, then bakes {formatDuration(planned.bakeMs).replace('.0 s', ' s')}</span>
              )}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
