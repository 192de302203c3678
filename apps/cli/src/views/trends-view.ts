import { formatDuration } from '@starling/shared/durations.ts';
import type { Api } from '../client.ts';
import { formatTable } from '../terminal/table.ts';
import { counted, type Ink } from '../terminal/wording.ts';

export type Trends = Awaited<ReturnType<Api['history']['trends']['query']>>;

/** A duration in words; empty where there was none. */
export const durationText = (milliseconds: number | null): string =>
  milliseconds === null ? '' : formatDuration(milliseconds);

const shareText = (share: number | null) => (share === null ? '–' : `${Math.round(share * 100)} %`);
const dayOf = (moment: string) => new Date(moment).toISOString().slice(0, 10);

interface Layout {
  of: string;
  bucket: 'day' | 'week';
  ink: Ink;
  columns: number | undefined;
}

/** The measures in words with their units, then stage by stage, then day by day. */
export function describeTrends(trends: Trends, { of, bucket, ink, columns }: Layout): string {
  const { totals } = trends;
  const spread = (median: number | null, p90: number | null) =>
    median === null || p90 === null
      ? '–'
      : `${formatDuration(median)} (median), ${formatDuration(p90)} (90th percentile)`;
  const facts: [string, string][] = [
    ['deployments', `${totals.succeeded} succeeded, ${perDay(totals.perDay)}; ${totals.failed} failed`],
    ['success rate', shareText(totals.successRate)],
    ['change failures', `${shareText(totals.changeFailureRate)} of ${counted(totals.changes, 'change')}`],
    ['lead time', spread(totals.leadTimeMedianMs, totals.leadTimeP90Ms)],
    ['time to restore', spread(totals.timeToRestoreMedianMs, totals.timeToRestoreP90Ms)],
    ['wait for a worker', spread(totals.queueWaitMedianMs, totals.queueWaitP90Ms)],
    ['against forecast', againstForecast(totals)],
  ];
  if (totals.rolledBack > 0) facts[2]![1] += `, ${totals.rolledBack} rolled back`;
  if (totals.notRestored > 0) facts[4]![1] += `; ${counted(totals.notRestored, 'failure')} with no success since`;
  if (totals.aborted > 0) facts[0]![1] += `, ${totals.aborted} aborted`;
  const layout = { columns, paint: ink.paint };
  const right = (title: string) => ({ title, align: 'right' as const });
  const stages = formatTable(
    [{ title: 'STAGE' }, right('MEDIAN'), right('90TH PERCENTILE'), right('TIMES')],
    trends.stages.map(({ stage, medianMs, p90Ms, times }) => [
      stage,
      formatDuration(medianMs),
      formatDuration(p90Ms),
      String(times),
    ]),
    layout,
  );
  const days = formatTable(
    [
      { title: bucket === 'day' ? 'DAY (UTC)' : 'WEEK OF (UTC)' },
      right('SUCCEEDED'),
      right('FAILED'),
      right('ROLLED BACK'),
      right('LEAD TIME'),
      right('BUILDS'),
      right('FAILED BUILDS'),
    ],
    trends.buckets.map((row) => [
      dayOf(row.start),
      String(row.succeeded),
      row.failed > 0 ? ink.paint('bad', String(row.failed)) : '0',
      String(row.rolledBack),
      durationText(row.leadTimeMedianMs),
      String(row.builds),
      String(row.failedBuilds),
    ]),
    layout,
  );
  const head = `${of}, ${dayOf(trends.from)} to ${dayOf(trends.to)}\n\n`;
  const lines = facts.map(([name, value]) => `${ink.paint('quiet', name.padEnd(19))}${value}\n`).join('');
  return `${head}${lines}\n${trends.stages.length > 0 ? `${stages}\n` : ''}${days}`;
}

function againstForecast({ foretold, foretoldRatioMedian, foretoldRatioP90 }: Trends['totals']): string {
  if (foretoldRatioMedian === null || foretoldRatioP90 === null) return '–';
  const times = (ratio: number) => `${ratio.toFixed(2)} ×`;
  return `${times(foretoldRatioMedian)} what was foretold (median), ${times(foretoldRatioP90)} (90th percentile), of ${counted(foretold, 'deployment')}`;
}

function perDay(count: number): string {
  return count >= 10 || Number.isInteger(count) ? `${Math.round(count)} a day` : `${count.toFixed(1)} a day`;
}
