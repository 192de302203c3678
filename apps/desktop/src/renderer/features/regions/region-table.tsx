import { Link } from '@tanstack/react-router';
import { CircleCheck, CloudOff, Download, Globe, TriangleAlert } from 'lucide-react';
import { Bar } from '../../components/bar.tsx';
import { EmptyState, Panel } from '../../components/page.tsx';
import { Status } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { RegionState } from '../../lib/api.ts';
import { formatBytes, plural } from '../../lib/format.ts';

/** A hub that has spoken of none of its machines for this long is silent. */
const silentAfterMs = 60_000;

export function RegionTable({ regions }: { regions: readonly RegionState[] }) {
  if (regions.length === 0) {
    return (
      <Panel>
        <EmptyState icon={Globe} title="No region is configured">
          Name the regions in <code className="font-mono">STARLING_REGIONS</code> of the control servers.
        </EmptyState>
      </Panel>
    );
  }
  return (
    <Panel flush>
      <table className="grid-table">
        <caption className="sr-only">Regions</caption>
        <thead>
          <tr>
            <th scope="col">Region</th>
            <th scope="col" className="min-w-36">
              Machines
            </th>
            <th scope="col">Hubs</th>
            <th scope="col">Store</th>
            <th scope="col">Version keys</th>
          </tr>
        </thead>
        <tbody>
          {regions.map((region) => (
            <tr key={region.region}>
              <td className="!align-top">
                <Link
                  to="/machines"
                  search={{ region: region.region }}
                  className="link font-mono text-xs font-medium whitespace-nowrap text-ink"
                >
                  {region.region}
                </Link>
              </td>
              <td className="!align-top">
                <span className="mb-1 block text-xs text-ink-2">
                  {region.online.toLocaleString('en')} of {region.machines.toLocaleString('en')} online
                </span>
                <Bar
                  total={region.machines}
                  label={`${region.online} of ${plural(region.machines, 'machine')} online`}
                  segments={[
                    { amount: region.online, tone: 'ok' },
                    { amount: region.machines - region.online, tone: 'warn' },
                  ]}
                />
              </td>
              <td className="!align-top">
                <Hubs region={region} />
              </td>
              <td className="!align-top">
                <Store store={region.store} />
              </td>
              <td className="max-w-72 !align-top">
                {region.keysError === null ? (
                  <Status tone="ok" icon={CircleCheck}>
                    {plural(region.keys.length, 'key')}
                  </Status>
                ) : (
                  <>
                    <Status tone="bad" icon={CloudOff}>
                      Out of reach
                    </Status>
                    <span className="block text-xs break-words text-ink-2">{region.keysError}</span>
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Hubs({ region: { hubs } }: { region: RegionState }) {
  if (hubs.length === 0) {
    return (
      <Status tone="warn" icon={TriangleAlert}>
        none was heard
      </Status>
    );
  }
  return (
    <ul className="flex flex-col gap-1">
      {hubs.map(({ hub, machines, online, heardAt }) => {
        const silent = Date.now() - Date.parse(heardAt) > silentAfterMs;
        return (
          <li key={hub} className="flex flex-wrap items-baseline gap-x-2 text-xs">
            {silent ? (
              <CloudOff aria-hidden className="size-3.5 shrink-0 self-center text-bad" />
            ) : (
              <CircleCheck aria-hidden className="size-3.5 shrink-0 self-center text-ok" />
            )}
            <span className="font-mono whitespace-nowrap text-ink">{hub}</span>
            <span className="whitespace-nowrap text-ink-3">
              {online} of {machines}, <Ago at={heardAt} />
              {silent && ': silent'}
            </span>
          </li>
        );
      })}
    </ul>
  );
}

function Store({ store }: { store: RegionState['store'] }) {
  const missing = store.pending + store.copying + store.failed;
  if (missing === 0) {
    return (
      <Status tone="ok" icon={CircleCheck}>
        has every build
      </Status>
    );
  }
  return (
    <>
      <Status tone={store.failed > 0 ? 'bad' : 'busy'} icon={store.failed > 0 ? TriangleAlert : Download}>
        lacks {plural(missing, 'build')}
      </Status>
      <span className="block text-xs text-ink-2">
        {formatBytes(store.bytesLeft)} to go
        {store.behindSince && (
          <>
            , the first built <Ago at={store.behindSince} />
          </>
        )}
      </span>
      {store.lastFailure && <span className="block text-xs break-words text-bad">{store.lastFailure}</span>}
    </>
  );
}
