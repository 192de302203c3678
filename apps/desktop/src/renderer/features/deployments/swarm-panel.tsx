import { type ByteSource, byteSources, describeSlow, slowReasonTitles } from '@starling/shared/swarm-view.ts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Bar, type Segment } from '../../components/bar.tsx';
import { Legend } from '../../components/charts/legend.tsx';
import { Tenths, TenthsAxis } from '../../components/charts/tenths.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Loading, Panel } from '../../components/page.tsx';
import { Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { api, type DeploymentWithRegions, type Swarm } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { formatBytes, formatDuration, formatRate, percentOf, plural } from '../../lib/format.ts';

type View = NonNullable<Swarm['view']>;
type SwarmRegion = Swarm['regions'][number];

const sourceLooks: Record<ByteSource, { tone: Segment['tone']; text: string }> = {
  peers: { tone: 'ok', text: 'other machines' },
  hub: { tone: 'busy', text: 'the hub, in the swarm' },
  http: { tone: 'warn', text: 'the hub, over HTTP' },
  base: { tone: 'idle', text: 'slots on the machine' },
};
const mostRacks = 8;
const mostSlowest = 8;

/** How the bytes of a deployment move, live: who has how much, how fast, from where, and which machines are slow and why. */
export function SwarmPanel({ deployment }: { deployment: DeploymentWithRegions }) {
  const read = useQuery(api.swarm.get.queryOptions({ deployment: deployment.id }));
  const { data, refetch } = read;
  const error = errorToShow(read);
  const isRunning = deployment.status === 'RUNNING';
  if (error)
    return <ErrorPanel error={error} title="How its bytes move could not be read" onRetry={() => void refetch()} />;
  // An hour after the end nobody knows any more, and it is of no interest either.
  if (data && !data.view && !isRunning) return null;
  return (
    <Panel title="Swarm" beside={data?.view && <Now view={data.view} isRunning={isRunning} />} flush>
      {!data && <Loading rows={4} label="Loading how its bytes move" />}
      {data && !data.view && (
        <p className="px-4 py-3 text-ink-2">
          Nothing has moved yet. Machines tell here what they fetch, from whom and how fast; one that has the build in a
          slot fetches nothing.
        </p>
      )}
      {data?.view && (
        <>
          <div className="grid gap-x-8 gap-y-5 px-4 py-3.5 lg:grid-cols-2">
            <Shares view={data.view} />
            <Sources view={data.view} />
          </div>
          <PlaceTable regions={data.regions} isRunning={isRunning} />
          {data.view.slowest.length > 0 && isRunning && <Slowest view={data.view} />}
          <div className="max-w-md px-4 py-3">
            <CliLine command={cli.swarm(deployment.id)} />
          </div>
        </>
      )}
    </Panel>
  );
}

const machinesIn = ({ shares }: Pick<View, 'shares'>) => shares.reduce((sum, count) => sum + count, 0);
const completeIn = ({ shares }: Pick<View, 'shares'>) => shares.at(-1) ?? 0;

function Now({ view, isRunning }: { view: View; isRunning: boolean }) {
  const isOver = completeIn(view) === machinesIn(view);
  return (
    <span className="text-xs text-ink-2">
      {isRunning && !isOver && <span className="font-semibold text-ink">{formatRate(view.bytesPerSecond)}</span>}
      {isRunning && !isOver && ' over all machines, '}
      {formatBytes(view.bytesDone)} of {formatBytes(view.bytesTotal)} fetched
    </span>
  );
}

function Shares({ view }: { view: View }) {
  return (
    <div className="min-w-0">
      <p className="mb-1.5 text-xs text-ink-2">
        <span className="font-semibold text-ink">{completeIn(view).toLocaleString('en')}</span> of{' '}
        {plural(machinesIn(view), 'machine')} have all of it
      </p>
      <Tenths shares={view.shares} label="Machines by how much they have" tall />
      <TenthsAxis />
      <p className="mt-0.5 text-2xs text-ink-3">percent that a machine has</p>
    </div>
  );
}

function Sources({ view }: { view: View }) {
  const { sources, measured, wrongPieces } = view;
  const total = byteSources.reduce((sum, source) => sum + sources[source], 0);
  const share = (source: ByteSource) => `${percentOf(sources[source], total)} % ${sourceLooks[source].text}`;
  return (
    <div className="flex min-w-0 flex-col gap-2">
      <p className="text-xs text-ink-2">
        {total === 0 ? 'No byte has come yet' : 'Where the bytes came from'}
        {wrongPieces > 0 && (
          <span className="text-bad"> – {plural(wrongPieces, 'piece')} with wrong bytes, fetched again</span>
        )}
      </p>
      <Bar
        thick
        total={total}
        label={byteSources.map(share).join(', ')}
        segments={byteSources.map((source) => ({ amount: sources[source], tone: sourceLooks[source].tone }))}
      />
      <Legend
        entries={byteSources.map((source) => ({
          tone: sourceLooks[source].tone,
          text: `${sourceLooks[source].text}: ${formatBytes(sources[source])}`,
        }))}
      />
      {measured.machines > 0 && (
        <p className="mt-auto text-xs text-ink-2">
          A machine took {formatDuration(measured.medianMs)} at {formatRate(measured.medianBytesPerSecond)}, the median
          of {measured.machines.toLocaleString('en')}; a tenth had more than {formatRate(measured.fastBytesPerSecond)}.
        </p>
      )}
    </div>
  );
}

/** Regions, each with the racks that have the most to go. */
function PlaceTable({ regions, isRunning }: { regions: readonly SwarmRegion[]; isRunning: boolean }) {
  return (
    <table className="grid-table border-t border-line">
      <caption className="sr-only">The swarm by region and rack</caption>
      <thead>
        <tr>
          <th scope="col">Region, rack</th>
          <th scope="col" className="min-w-36">
            Machines by how much they have
          </th>
          <th scope="col">Have all</th>
          <th scope="col">Rate</th>
          <th scope="col">Said</th>
        </tr>
      </thead>
      <tbody>
        {regions.flatMap((region) => {
          const racks = region.racks.filter(({ rack }) => rack !== '');
          const isFetching = completeIn(region) < machinesIn(region);
          const left = racks.length - mostRacks + region.racksLeftOut;
          return [
            <tr key={region.region}>
              <td className="font-mono text-xs font-medium text-ink">{region.region}</td>
              <PlaceCells of={region} name={region.region} isRunning={isRunning} />
              <td className="text-xs text-ink-2">
                <Ago at={region.saidAt} />{' '}
                {isRunning && isFetching && !region.isLive && <Tag tone="warn">its hub is silent</Tag>}
              </td>
            </tr>,
            ...racks.slice(0, mostRacks).map((rack) => (
              <tr key={`${region.region} ${rack.rack}`}>
                <td className="pl-8! font-mono text-xs text-ink-2">{rack.rack}</td>
                <PlaceCells of={rack} name={rack.rack} isRunning={isRunning} />
                <td />
              </tr>
            )),
            left > 0 && (
              <tr key={`${region.region} and more`}>
                <td colSpan={5} className="pl-8! text-xs text-ink-3">
                  and {plural(left, 'rack')} more, further along
                </td>
              </tr>
            ),
          ];
        })}
      </tbody>
    </table>
  );
}

function PlaceCells({
  of,
  name,
  isRunning,
}: {
  of: Pick<View, 'shares' | 'bytesPerSecond'>;
  name: string;
  isRunning: boolean;
}) {
  return (
    <>
      <td>
        <Tenths shares={of.shares} label={`Machines of ${name} by how much they have`} />
      </td>
      <td className="text-xs text-ink-2">
        {completeIn(of).toLocaleString('en')} of {machinesIn(of).toLocaleString('en')}
      </td>
      <td className="text-xs text-ink-2">{isRunning && of.bytesPerSecond > 0 ? formatRate(of.bytesPerSecond) : '–'}</td>
    </>
  );
}

function Slowest({ view }: { view: View }) {
  return (
    <table className="grid-table border-t border-line">
      <caption className="sr-only">The machines with the most time to go</caption>
      <thead>
        <tr>
          <th scope="col">Slowest</th>
          <th scope="col">Rack</th>
          <th scope="col">Has</th>
          <th scope="col">Rate</th>
          <th scope="col">To go</th>
          <th scope="col">Why</th>
        </tr>
      </thead>
      <tbody>
        {view.slowest.slice(0, mostSlowest).map((slow) => {
          const { machine, rack, bytesDone, bytesTotal, bytesPerSecond, reason, account } = slow;
          return (
            <tr key={machine}>
              <td>
                <Link to="/machines/$id" params={{ id: machine }} className="link font-mono text-xs text-ink">
                  {machine}
                </Link>
              </td>
              <td className="font-mono text-xs text-ink-2">{rack || '–'}</td>
              <td className="text-xs text-ink-2">{percentOf(bytesDone, bytesTotal)} %</td>
              <td className="text-xs text-ink-2">{formatRate(bytesPerSecond)}</td>
              <td className="text-xs text-ink-2">
                {bytesPerSecond > 0
                  ? formatDuration(((bytesTotal - bytesDone) / bytesPerSecond) * 1_000)
                  : 'stands still'}
              </td>
              <td>
                <Tag tone={reason === 'ON_ITS_WAY' || reason === 'NOT_TOLD' ? 'idle' : 'warn'}>
                  {slowReasonTitles[reason]}
                </Tag>
                <span className="mt-0.5 block max-w-md text-xs text-ink-2">{describeSlow(reason, account)}</span>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
