import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { ChartColumn } from 'lucide-react';
import { Legend } from '../../components/charts/legend.tsx';
import { StackedColumns } from '../../components/charts/stacked-columns.tsx';
import { TimeLine } from '../../components/charts/time-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { PeriodSelect } from '../../components/period-select.tsx';
import { ProjectSelect } from '../../components/project-select.tsx';
import { api } from '../../lib/api.ts';
import { errorToShow } from '../../lib/errors.ts';
import { useNow } from '../../lib/hooks.ts';
import { beginOf, daysOf, type Period } from '../../lib/periods.ts';
import type { HistorySearch } from '../../lib/search.ts';
import { Measures } from './measures.tsx';
import { StageDurations } from './stage-durations.tsx';

export const defaultPeriod: Period = '30d';

/** DORA's four measures, and how they moved; beside them what each part of the way takes. */
export function TrendsView({ search, onSearch }: { search: HistorySearch; onSearch: (search: HistorySearch) => void }) {
  const now = useNow();
  const period = search.period ?? defaultPeriod;
  const bucket = daysOf(period) > 90 ? ('week' as const) : ('day' as const);
  const from = beginOf(period, now);
  const ofProject = search.project ? { project: search.project } : {};
  const read = useQuery({
    ...api.history.trends.queryOptions({ ...ofProject, from, bucket }),
    placeholderData: keepPreviousData,
  });
  // The same length of time before, to say what has become better or worse.
  const before = new Date(Date.parse(from) - daysOf(period) * 86_400_000).toISOString();
  const earlier = useQuery({
    ...api.history.trends.queryOptions({ ...ofProject, from: before, to: from, bucket: 'week' }),
    placeholderData: keepPreviousData,
  });
  const { data, refetch } = read;
  const error = errorToShow(read);
  const buckets = data?.buckets ?? [];
  const places = buckets.map(({ start }) => shortDay(start));
  const names = buckets.map(({ start }) => longDay(start, bucket));
  const nothing = data && buckets.every(({ succeeded, failed, builds }) => succeeded + failed + builds === 0);
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <ProjectSelect value={search.project} onChange={(project) => onSearch({ ...search, project })} />
        <PeriodSelect
          value={period}
          any={null}
          onChange={(chosen) => chosen && onSearch({ ...search, period: chosen })}
        />
        <span className="text-xs text-ink-3">
          Medians; in UTC, each {bucket} by when things ended{read.isPlaceholderData && ' …'}
        </span>
      </div>
      {error && <ErrorPanel error={error} title="The trends could not be read" onRetry={() => void refetch()} />}
      {!data && !error && (
        <Panel flush>
          <Loading rows={8} label="Loading trends" />
        </Panel>
      )}
      {data && (
        <Measures
          now={data.totals}
          before={earlier.isPlaceholderData ? undefined : earlier.data?.totals}
          period={period}
        />
      )}
      {nothing && (
        <Panel>
          <EmptyState icon={ChartColumn} title="Nothing ended in this time">
            Trends begin with the first build that ends. Choose a longer time to look further back.
          </EmptyState>
        </Panel>
      )}
      {data && !nothing && (
        <div className="grid gap-4 xl:grid-cols-2">
          <Panel
            title="Deployments"
            beside={
              <Legend
                entries={[
                  { tone: 'ok', text: 'succeeded' },
                  { tone: 'bad', text: 'failed' },
                ]}
              />
            }
          >
            <StackedColumns
              label={`Deployments by ${bucket}`}
              places={places}
              names={names}
              layers={[
                { text: 'succeeded', tone: 'ok', values: buckets.map(({ succeeded }) => succeeded) },
                { text: 'failed', tone: 'bad', values: buckets.map(({ failed }) => failed) },
              ]}
              // A change that was rolled back had succeeded, or was replaced while it ran.
              notes={[{ text: 'rolled back later', values: buckets.map(({ rolledBack }) => rolledBack) }]}
            />
          </Panel>
          <Panel title="Lead time: from the commit to all machines">
            <TimeLine
              label={`Median lead time by ${bucket}`}
              places={places}
              names={names}
              values={buckets.map(({ leadTimeMedianMs }) => leadTimeMedianMs)}
            />
          </Panel>
          <Panel
            title="Builds"
            beside={
              <Legend
                entries={[
                  { tone: 'busy', text: 'built' },
                  { tone: 'bad', text: 'failed' },
                ]}
              />
            }
          >
            <StackedColumns
              label={`Builds by ${bucket}`}
              places={places}
              names={names}
              layers={[
                { text: 'built', tone: 'busy', values: buckets.map(({ builds }) => builds) },
                { text: 'failed', tone: 'bad', values: buckets.map(({ failedBuilds }) => failedBuilds) },
              ]}
            />
          </Panel>
          <StageDurations stages={data.stages} totals={data.totals} />
        </div>
      )}
    </div>
  );
}

const shortDay = (at: string) =>
  new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const longDay = (at: string, bucket: 'day' | 'week') => {
  const day = new Date(at).toLocaleDateString('en', {
    weekday: 'short',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  });
  return bucket === 'week' ? `Week of ${day}` : day;
};
