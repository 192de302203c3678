import { ArrowDown, ArrowRight, ArrowUp } from 'lucide-react';
import type { Trends } from '../../lib/api.ts';
import { formatDuration } from '../../lib/format.ts';
import { daysOf, type Period } from '../../lib/periods.ts';

type Totals = Trends['totals'];

interface Measure {
  title: string;
  /** What it is, in a sentence. */
  meaning: string;
  value: (totals: Totals) => number | null;
  say: (value: number) => string;
  more: (totals: Totals) => string;
  better: 'higher' | 'lower';
}

const percent = (share: number) => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
const upTo = (milliseconds: number | null) =>
  milliseconds === null ? '' : `9 of 10 within ${formatDuration(milliseconds)}`;

const measures: Measure[] = [
  {
    title: 'Deployment frequency',
    meaning: 'Deployments that succeeded, rollbacks among them, in a day',
    value: ({ perDay, succeeded }) => (succeeded > 0 ? perDay : null),
    say: (perDay) => (perDay >= 1 ? `${perDay.toFixed(1)} a day` : `${(perDay * 7).toFixed(1)} a week`),
    more: ({ succeeded, aborted }) => `${succeeded} succeeded${aborted > 0 ? `, ${aborted} aborted by hand` : ''}`,
    better: 'higher',
  },
  {
    title: 'Lead time',
    meaning: 'From the commit to the end of the first deployment that brought it to all machines',
    value: ({ leadTimeMedianMs }) => leadTimeMedianMs,
    say: formatDuration,
    more: ({ leadTimeP90Ms }) => upTo(leadTimeP90Ms),
    better: 'lower',
  },
  {
    title: 'Change failure rate',
    meaning: 'Of the changes that reached machines, those that failed or were rolled back',
    value: ({ changeFailureRate }) => changeFailureRate,
    say: percent,
    more: ({ changes, successRate }) =>
      `of ${changes} changes${successRate === null ? '' : `; ${percent(successRate)} of all deployments succeeded`}`,
    better: 'lower',
  },
  {
    title: 'Time to restore',
    meaning: 'From a change that failed to the next deployment that succeeded',
    value: ({ timeToRestoreMedianMs }) => timeToRestoreMedianMs,
    say: formatDuration,
    more: ({ timeToRestoreP90Ms, notRestored }) =>
      notRestored > 0 ? `${notRestored} not restored yet` : upTo(timeToRestoreP90Ms),
    better: 'lower',
  },
];

/** DORA's four measures with what they were in the time before. */
export function Measures({ now, before, period }: { now: Totals; before: Totals | undefined; period: Period }) {
  return (
    <dl className="grid grid-cols-2 gap-3 xl:grid-cols-4">
      {measures.map((measure) => {
        const value = measure.value(now);
        return (
          <div key={measure.title} className="panel px-4 py-3" title={measure.meaning}>
            <dt className="text-xs font-semibold text-ink-2">{measure.title}</dt>
            <dd>
              <span className="mt-0.5 flex flex-wrap items-baseline gap-x-3">
                <span className="text-xl font-semibold tracking-tight text-ink">
                  {value === null ? '–' : measure.say(value)}
                </span>
                {value !== null && before && (
                  <Change value={value} before={measure.value(before)} better={measure.better} period={period} />
                )}
              </span>
              <span className="block min-h-[1.125rem] text-xs text-ink-3">
                {value === null ? 'nothing to measure in this time' : measure.more(now)}
              </span>
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function Change({
  value,
  before,
  better,
  period,
}: {
  value: number;
  before: number | null;
  better: 'higher' | 'lower';
  period: Period;
}) {
  if (before === null || before === 0) return null;
  const change = Math.round((value / before - 1) * 100);
  const than = `than in the ${daysOf(period)} days before`;
  if (change === 0) {
    return (
      <span className="inline-flex items-center gap-0.5 text-xs text-ink-3" title={`The same as in the time before`}>
        <ArrowRight aria-hidden className="size-3" /> the same
      </span>
    );
  }
  const isBetter = change > 0 === (better === 'higher');
  const Arrow = change > 0 ? ArrowUp : ArrowDown;
  return (
    <span
      className={`inline-flex items-center gap-0.5 text-xs font-medium ${isBetter ? 'text-ok' : 'text-bad'}`}
      title={`${Math.abs(change)} % ${change > 0 ? 'more' : 'less'} ${than}`}
    >
      <Arrow aria-hidden className="size-3" />
      {Math.min(999, Math.abs(change))} % {isBetter ? 'better' : 'worse'}
    </span>
  );
}
