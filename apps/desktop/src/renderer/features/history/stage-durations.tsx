import { Panel } from '../../components/page.tsx';
import { stageWord } from '../../components/status.tsx';
import type { Trends } from '../../lib/api.ts';
import { formatDuration, plural } from '../../lib/format.ts';

const words: Record<string, string> = { REPLICATION: 'replication', DEPLOYMENT: 'deployment' };

/**
 * What each part of a commit's way takes: the median as a bar, and how far the slowest tenth goes beyond; and whether
 * deployments took as long as was foretold.
 */
export function StageDurations({ stages, totals }: Pick<Trends, 'stages' | 'totals'>) {
  const longest = Math.max(1, ...stages.map(({ p90Ms }) => p90Ms));
  return (
    <Panel
      title="What each part of the way takes"
      beside={<span className="text-xs text-ink-3">median, and 9 of 10 within</span>}
    >
      <ul className="flex flex-col justify-around gap-2.5" style={{ minHeight: 176 }}>
        {stages.map(({ stage, medianMs, p90Ms, times }) => (
          <li
            key={stage}
            className="grid grid-cols-[6rem_minmax(0,1fr)_9.5rem] items-center gap-3"
            title={plural(times, 'time')}
          >
            <span className="truncate text-xs font-medium text-ink first-letter:uppercase">
              {words[stage] ?? stageWord(stage)}
            </span>
            <span aria-hidden className="relative block h-3 overflow-hidden rounded-sm bg-sunken">
              <span
                className="absolute inset-y-0 left-0 rounded-sm bg-accent/25"
                style={{ width: `${Math.max(1, (p90Ms / longest) * 100)}%` }}
              />
              <span
                className="absolute inset-y-0 left-0 rounded-sm bg-accent"
                style={{ width: `${Math.max(1, (medianMs / longest) * 100)}%` }}
              />
            </span>
            <span className="text-right text-xs text-ink-2">
              <span className="font-semibold text-ink">{formatDuration(medianMs)}</span>
              <span className="text-ink-3"> · {formatDuration(p90Ms)}</span>
            </span>
          </li>
        ))}
      </ul>
      <AgainstForecast totals={totals} />
    </Panel>
  );
}

function AgainstForecast({ totals: { foretold, foretoldRatioMedian, foretoldRatioP90 } }: Pick<Trends, 'totals'>) {
  if (foretoldRatioMedian === null || foretoldRatioP90 === null) return null;
  const times = (ratio: number) => `${ratio.toFixed(2)} ×`;
  return (
    <p className="mt-3 border-t border-line pt-2 text-xs text-ink-3" title={`Of ${plural(foretold, 'deployment')}`}>
      Deployments took <span className="font-semibold text-ink">{times(foretoldRatioMedian)}</span> as long as was
      foretold; 9 of 10 at most {times(foretoldRatioP90)}
    </p>
  );
}
