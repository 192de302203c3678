import { CircleCheck, CircleX, CloudOff, Hourglass, LoaderCircle } from 'lucide-react';
import { Bar } from '../../components/bar.tsx';
import { Panel } from '../../components/page.tsx';
import { Status, Tag } from '../../components/status.tsx';
import type { DeploymentWithRegions, RegionProgress } from '../../lib/api.ts';
import { formatDuration, formatEta, formatRate, percentOf } from '../../lib/format.ts';
import type { Pace } from '../../lib/pace.ts';
import { slowestRegion } from '../../lib/rollout.ts';

/** How far each region is, by what its machines confirmed. */
export function RegionTable({
  deployment,
  paceOfRegion,
  onChoose,
}: {
  deployment: DeploymentWithRegions;
  paceOfRegion: (region: string) => Pace;
  onChoose: (region: string) => void;
}) {
  const isRunning = deployment.status === 'RUNNING';
  const inWaves = (deployment.plan?.waves.length ?? 1) > 1;
  const someWait = deployment.regions.some(({ waiting }) => waiting > 0);
  const slowest = isRunning ? slowestRegion(deployment.regions) : null;
  return (
    <Panel title="Regions" flush>
      <table className="grid-table">
        <caption className="sr-only">Progress by region</caption>
        <thead>
          <tr>
            <th scope="col">Region</th>
            <th scope="col" className="min-w-28 xl:min-w-52">
              Progress
            </th>
            <th scope="col">Done</th>
            <th scope="col">In progress</th>
            <th scope="col">Failed</th>
            <th scope="col">Offline</th>
            {someWait && (
              <th scope="col" title="Ready, and kept by their maintenance windows">
                Waiting
              </th>
            )}
            {inWaves && <th scope="col">Later waves</th>}
            <th scope="col" className="hidden xl:table-cell">
              Rate
            </th>
            <th scope="col">Remaining</th>
          </tr>
        </thead>
        <tbody>
          {deployment.regions.map((region) => (
            <tr key={region.region}>
              <td className="whitespace-nowrap">
                <button
                  type="button"
                  onClick={() => onChoose(region.region)}
                  className="link font-mono text-xs font-medium text-ink"
                  title={`Show the machines of ${region.region}`}
                >
                  {region.region}
                </button>{' '}
                {slowest === region.region && <Tag tone="warn">slowest</Tag>}
              </td>
              <td>
                <RegionBar region={region} isRunning={isRunning} />
              </td>
              <Count amount={region.done} tone="ok" />
              <Count amount={isRunning ? region.inProgress : 0} tone="busy" />
              <Count amount={region.failed} tone="bad" />
              <Count amount={region.offline} tone="warn" />
              {someWait && <Count amount={region.waiting} tone="idle" />}
              {inWaves && <Count amount={region.notReached} tone="idle" />}
              <td className="hidden text-xs text-ink-2 xl:table-cell">
                {isRunning && region.bytesPerSecond > 0 ? formatRate(region.bytesPerSecond) : '–'}
              </td>
              <td className="text-xs">
                <Remaining region={region} pace={paceOfRegion(region.region)} isRunning={isRunning} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

export function RegionBar({
  region,
  isRunning,
  thick = false,
}: {
  region: Omit<RegionProgress, 'region'>;
  isRunning: boolean;
  thick?: boolean;
}) {
  return (
    <Bar
      thick={thick}
      total={region.machines}
      label={`${region.done} of ${region.machines} done, ${region.inProgress} in progress, ${region.failed} failed, ${region.offline} offline${region.waiting > 0 ? `, ${region.waiting} waiting` : ''}`}
      segments={[
        { amount: region.done, tone: 'ok' },
        { amount: isRunning ? region.inProgress : 0, tone: 'busy' },
        { amount: region.failed, tone: 'bad' },
        { amount: region.offline, tone: 'warn' },
      ]}
    />
  );
}

const inks = { ok: 'text-ok', busy: 'text-busy', bad: 'text-bad', warn: 'text-warn', idle: 'text-idle' };

function Count({ amount, tone }: { amount: number; tone: keyof typeof inks }) {
  return (
    <td className={amount > 0 ? `font-semibold ${inks[tone]}` : 'text-ink-3'}>
      {amount > 0 ? amount.toLocaleString('en') : '–'}
    </td>
  );
}

function Remaining({ region, pace, isRunning }: { region: RegionProgress; pace: Pace; isRunning: boolean }) {
  if (region.machines === 0) return <span className="text-ink-3">no machines</span>;
  if (region.failed > 0 && (!isRunning || region.inProgress === 0)) {
    return (
      <Status tone="bad" icon={CircleX}>
        {region.failed} failed
      </Status>
    );
  }
  if (region.inProgress === 0 || !isRunning) {
    if (region.done === region.machines) {
      return (
        <Status tone="ok" icon={CircleCheck}>
          complete
        </Status>
      );
    }
    if (region.waiting > 0) {
      return (
        <Status tone="idle" icon={Hourglass}>
          waits for a maintenance window
        </Status>
      );
    }
    return region.offline > 0 ? (
      <Status tone="warn" icon={CloudOff}>
        offline ones catch up
      </Status>
    ) : (
      <span className="text-ink-3">–</span>
    );
  }
  if (pace.state === 'stalled') {
    return (
      <Status tone="warn" icon={Hourglass}>
        stalled for {formatDuration(pace.forMs)}
      </Status>
    );
  }
  return (
    <Status tone="busy" icon={LoaderCircle} spinning>
      {pace.state === 'moving'
        ? formatEta(pace.etaMs)
        : region.bytesTotal > 0 && region.bytesDone < region.bytesTotal
          ? `${percentOf(region.bytesDone, region.bytesTotal)} % fetched`
          : 'working'}
    </Status>
  );
}
