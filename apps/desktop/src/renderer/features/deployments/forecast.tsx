import { type Forecast, type Measured, ratioOf } from '@starling/shared/forecast.ts';
import { useQuery } from '@tanstack/react-query';
import { Timer } from 'lucide-react';
import { api, type Inputs } from '../../lib/api.ts';
import { formatBytes, formatDuration, plural, shortBuild } from '../../lib/format.ts';

/** How long it would take and what would move, before it is asked for. Nothing depends on it: what fails is only said. */
export function ForecastPreview(asked: Inputs['forecasts']['get']) {
  const { data, error } = useQuery({
    ...api.forecasts.get.queryOptions(asked),
    // The fleet changes, and nobody says so of a forecast.
    staleTime: 60_000,
  });
  if (error)
    return <p className="text-xs text-ink-3">How long it would take could not be worked out: {error.message}</p>;
  if (!data)
    return (
      <p role="status" className="text-xs text-ink-3">
        Working out how long it takes …
      </p>
    );
  const { totalMs, bytes, hubBytes, bases, waves, assumptions } = data;
  return (
    <details className="rounded-lg border border-line px-3.5 py-2">
      <summary className="cursor-pointer text-ink-2">
        <span className="font-medium text-ink">About {formatDuration(totalMs)}</span> from when it begins;{' '}
        {bytes === 0
          ? 'no byte moves'
          : `${formatBytes(bytes)} to fetch, of which the hubs send ${formatBytes(hubBytes)}`}
      </summary>
      <ul className="mt-2 flex flex-col gap-0.5 text-xs text-ink-2">
        {waves.map(({ wave, machines, fetchMs, installMs, bakeMs, slowestRegion }) => (
          <li key={wave}>
            Wave {wave}, {plural(machines, 'machine')}: fetch {formatDuration(fetchMs)}
            {slowestRegion && waves.length > 1 ? ` (${slowestRegion} the slowest)` : ''}, install{' '}
            {formatDuration(installMs)}
            {bakeMs > 0 && `, bake ${formatDuration(bakeMs)}`}
          </li>
        ))}
        {bases.map(({ build: of, machines, bytesEach }) => (
          <li key={of ?? ''}>
            {plural(machines, 'machine')} with {of ? shortBuild(of) : 'no build'}:{' '}
            {bytesEach === 0 ? 'nothing to fetch' : `${formatBytes(bytesEach)} each`}
          </li>
        ))}
        {assumptions.map((assumption) => (
          <li key={assumption} className="text-ink-3">
            {assumption}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** What was expected of a deployment, and what came of it. */
export function ForecastOutcome({
  forecast,
  measured,
}: {
  forecast: Pick<Forecast, 'totalMs'>;
  measured: Pick<Measured, 'totalMs'> | null;
}) {
  const ratio = measured ? ratioOf(forecast, measured) : 1;
  const off = Math.round(Math.abs(ratio - 1) * 100);
  return (
    <span className="inline-flex items-center gap-1.5 text-ink-2">
      <Timer aria-hidden className="size-3.5" />
      <span>
        forecast {formatDuration(forecast.totalMs)}
        {measured &&
          `, took ${formatDuration(measured.totalMs)}${off === 0 ? ', as foretold' : `, ${off} % ${ratio > 1 ? 'more' : 'less'}`}`}
      </span>
    </span>
  );
}
