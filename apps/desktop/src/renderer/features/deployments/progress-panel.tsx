import { CircleCheck, CircleX, CloudOff, Hourglass, LoaderCircle } from 'lucide-react';
import type { ReactNode } from 'react';
import { Status } from '../../components/status.tsx';
import type { ClimbPoint, DeploymentWithRegions } from '../../lib/api.ts';
import { formatDuration, formatEta, formatRate, percentOf, plural } from '../../lib/format.ts';
import { useNow } from '../../lib/hooks.ts';
import type { Pace } from '../../lib/pace.ts';
import { totalsOf } from '../../lib/rollout.ts';
import { BurnUp } from './burn-up.tsx';
import { ForecastOutcome } from './forecast.tsx';
import { RegionBar } from './region-progress.tsx';

/** The whole deployment at a glance: what machines confirmed, how fast, how long still, and how it ended. */
export function ProgressPanel({
  deployment,
  climb,
  pace,
}: {
  deployment: DeploymentWithRegions;
  /** When how many machines were done. */
  climb: readonly ClimbPoint[];
  pace: Pace;
}) {
  const now = useNow();
  const totals = totalsOf(deployment.regions);
  const isRunning = deployment.status === 'RUNNING';
  const startedAt = Date.parse(deployment.createdAt);
  const endsAt = deployment.finishedAt ? Date.parse(deployment.finishedAt) : now;
  const stalled = isRunning && pace.state === 'stalled' && totals.inProgress > 0;
  return (
    <section className="panel px-4 py-3.5" aria-label="Progress">
      {deployment.outcome && (
        <p
          className={`mb-3 rounded-md px-3 py-2 ${
            deployment.status === 'FAILED'
              ? 'bg-bad-soft text-bad'
              : deployment.status === 'SUCCEEDED'
                ? 'bg-ok-soft text-ok'
                : 'bg-warn-soft text-warn'
          }`}
        >
          <span className="font-semibold">Outcome: </span>
          <span className="break-words">{deployment.outcome}</span>
        </p>
      )}
      <div className="grid items-center gap-x-8 gap-y-4 lg:grid-cols-[minmax(0,1fr)_320px]">
        <div className="min-w-0">
          <div className="flex flex-wrap items-baseline justify-between gap-x-4">
            <p className="text-2xl font-semibold tracking-tight" aria-live="polite">
              {percentOf(totals.done, totals.machines)} %
              <span className="ml-2 text-sm font-normal tracking-normal text-ink-2">
                {totals.done.toLocaleString('en')} of {plural(totals.machines, 'machine')} confirmed
              </span>
            </p>
            <p className="text-ink-2">
              {isRunning && stalled && (
                <Status tone="warn" icon={Hourglass} boxed>
                  Stalled: nothing has moved for {formatDuration(pace.forMs)}
                </Status>
              )}
              {isRunning && !stalled && pace.state === 'moving' && <>{formatEta(pace.etaMs)} left</>}
            </p>
          </div>
          <div className="my-2.5">
            <RegionBar region={totals} isRunning={isRunning} thick />
          </div>
          <div className="flex flex-wrap gap-x-5 gap-y-1">
            <Count word="done" amount={totals.done}>
              <CircleCheck aria-hidden className="size-3.5 text-ok" />
            </Count>
            {isRunning && (
              <Count word="in progress" amount={totals.inProgress}>
                <LoaderCircle aria-hidden className={`size-3.5 text-busy ${totals.inProgress > 0 ? 'spin' : ''}`} />
              </Count>
            )}
            <Count word="failed" amount={totals.failed}>
              <CircleX aria-hidden className="size-3.5 text-bad" />
            </Count>
            <Count word="offline" amount={totals.offline}>
              <CloudOff aria-hidden className="size-3.5 text-warn" />
            </Count>
            {totals.waiting > 0 && (
              <Count word="waiting for their maintenance window" amount={totals.waiting}>
                <Hourglass aria-hidden className="size-3.5 text-idle" />
              </Count>
            )}
            {isRunning && totals.bytesPerSecond > 0 && (
              <span className="text-ink-2">{formatRate(totals.bytesPerSecond)} over all machines</span>
            )}
            {deployment.forecast && <ForecastOutcome forecast={deployment.forecast} measured={deployment.measured} />}
          </div>
        </div>
        {climb.length > 0 && <BurnUp climb={climb} total={totals.machines} startedAt={startedAt} endsAt={endsAt} />}
      </div>
    </section>
  );
}

function Count({ amount, word, children }: { amount: number; word: string; children: ReactNode }) {
  return (
    <span className={`inline-flex items-center gap-1.5 ${amount > 0 ? 'text-ink' : 'text-ink-3'}`}>
      {children}
      <span>
        <span className="font-semibold">{amount.toLocaleString('en')}</span> {word}
      </span>
    </span>
  );
}
