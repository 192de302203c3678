import { formatBytes, formatDuration } from '@starling/shared/durations.ts';
import type { WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import type { Api } from './client.ts';
import type { Session } from './session.ts';
import { formatTable } from './terminal/table.ts';
import { counted, type Ink } from './terminal/wording.ts';

type Foretold = Awaited<ReturnType<Api['forecasts']['get']['query']>>;

/** Says how long a deployment would take, and changes nothing. */
export async function showForecast(
  session: Session,
  asked: { project: string; build: string; rollout?: WrittenRolloutSettings },
): Promise<void> {
  const forecast = await (await session.api()).forecasts.get.query(asked);
  session.print(forecast, () => describeForecast(forecast, session.outInk, session.terminal.out.columns));
  session.suggest('Nothing was changed; without --forecast it would be.');
}

export function describeForecast(forecast: Foretold, { paint }: Ink, columns: number | undefined): string {
  const { totalMs, machines, bytes, hubBytes, waves, regions, bases, assumptions, build } = forecast;
  const right = { align: 'right' } as const;
  const waveTable = formatTable(
    [
      ...[
        { title: 'WAVE', ...right },
        { title: 'MACHINES', ...right },
        { title: 'FETCH', ...right },
      ],
      ...[{ title: 'INSTALL', ...right }, { title: 'BAKE', ...right }, { title: 'SLOWEST' }],
    ],
    waves.map((wave) => [
      ...[String(wave.wave), String(wave.machines), formatDuration(wave.fetchMs), formatDuration(wave.installMs)],
      ...[formatDuration(wave.bakeMs), wave.slowestRegion ?? ''],
    ]),
    { columns, paint },
  );
  const regionTable = formatTable(
    [
      ...[{ title: 'REGION' }, { title: 'MACHINES', ...right }, { title: 'BYTES', ...right }],
      ...[{ title: 'A MACHINE', ...right }, { title: 'WHICH WAS' }],
    ],
    regions.map((region) => [
      ...[region.region, String(region.machines), formatBytes(region.bytes), `${formatBytes(region.bytesPerSecond)}/s`],
      region.isMeasured ? 'measured' : 'assumed',
    ]),
    { columns, paint },
  );
  const baseLines = bases.map(
    ({ build: of, machines: count, bytesEach }) =>
      `${counted(count, 'machine')} with ${of ?? 'no build'}: ${bytesEach === 0 ? 'nothing' : `${formatBytes(bytesEach)} each`}\n`,
  );
  const assumed = assumptions.length > 0 ? `\nAssumed:\n${assumptions.map((one) => `  ${one}\n`).join('')}` : '';
  const head = `${build} on ${counted(machines, 'machine')}: about ${formatDuration(totalMs)} from when it begins\n${formatBytes(bytes)} to fetch, of which the hubs send ${formatBytes(hubBytes)}\n`;
  return `${head}${baseLines.join('')}\n${waveTable}\n${regionTable}${assumed}`;
}
