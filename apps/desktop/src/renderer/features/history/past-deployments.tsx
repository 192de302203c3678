import { type DeploymentStatus, deploymentStatuses } from '@starling/shared/words.ts';
import { Link } from '@tanstack/react-router';
import { Download, Rocket } from 'lucide-react';
import { useState } from 'react';
import { Button, buttonClass } from '../../components/button.tsx';
import { DeploymentList } from '../../components/deployment-list.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { SearchInput, Select } from '../../components/field.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { PeriodSelect } from '../../components/period-select.tsx';
import { ProjectSelect } from '../../components/project-select.tsx';
import { deploymentStatusWord } from '../../components/status.tsx';
import { client } from '../../lib/api.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useNow, useSettled } from '../../lib/hooks.ts';
import { usePages } from '../../lib/pages.ts';
import { beginOf } from '../../lib/periods.ts';
import type { HistorySearch } from '../../lib/search.ts';
import { exportHistory } from './export-history.ts';

const pageSize = 100;

export function PastDeployments({
  search,
  onSearch,
}: {
  search: HistorySearch;
  onSearch: (search: HistorySearch) => void;
}) {
  const now = useNow();
  const build = useSettled((search.build ?? '').trim().toLowerCase(), 250);
  const person = useSettled((search.person ?? '').trim(), 250);
  // Fewer characters name too much; the server would refuse them.
  const tooShort = build !== '' && build.length < 4;
  const filters = {
    ...(search.project ? { project: search.project } : {}),
    ...(build && !tooShort ? { build } : {}),
    ...(person ? { person } : {}),
    ...(search.status ? { status: search.status } : {}),
    ...(search.period ? { from: beginOf(search.period, now) } : {}),
  };
  const history = usePages({
    path: ['history', 'list'],
    input: filters,
    pageSize,
    read: (before: number | undefined, signal) =>
      client.history.list.query({ ...filters, limit: pageSize, ...(before ? { before } : {}) }, { signal }),
    next: (last) => last.id,
    keyOf: ({ id }) => id,
  });
  const { rows } = history;
  const error = errorToShow(history);
  const [failedExport, setFailedExport] = useState<unknown>(null);
  const [exporting, setExporting] = useState<number | null>(null);
  const isFiltered = Object.keys(filters).length > 0;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          label="Build or SHA"
          value={search.build ?? ''}
          onChange={(event) => onSearch({ ...search, build: event.target.value })}
          className="w-44"
        />
        <SearchInput
          label="Asked for by"
          value={search.person ?? ''}
          onChange={(event) => onSearch({ ...search, person: event.target.value })}
          className="w-40"
        />
        <ProjectSelect value={search.project} onChange={(project) => onSearch({ ...search, project })} />
        <Select
          label="Status"
          value={search.status ?? ''}
          onChange={(status) => {
            const { status: _, ...rest } = search;
            onSearch(status === '' ? rest : { ...rest, status: status as DeploymentStatus });
          }}
          options={[
            { value: '', text: 'Any status' },
            ...deploymentStatuses.map((status) => ({ value: status, text: deploymentStatusWord(status) })),
          ]}
        />
        <PeriodSelect
          value={search.period}
          onChange={(period) => {
            const { period: _, ...rest } = search;
            onSearch(period ? { ...rest, period } : rest);
          }}
        />
        <span className="text-xs text-ink-3" role="status">
          {tooShort
            ? 'A SHA needs four digits or more.'
            : rows && `${plural(rows.length, 'deployment')}${history.hasNextPage ? ' loaded' : ''}`}
        </span>
        <span className="min-w-0 flex-1" />
        <Button
          size="small"
          busy={exporting !== null}
          disabledBecause={rows?.length === 0 ? 'There is nothing to export.' : null}
          icon={<Download aria-hidden className="size-3.5" />}
          onClick={() => {
            setFailedExport(null);
            setExporting(0);
            exportHistory(filters, setExporting).then(
              () => setExporting(null),
              (thrown: unknown) => {
                setFailedExport(thrown);
                setExporting(null);
              },
            );
          }}
        >
          {exporting === null ? 'Export as CSV' : `${exporting.toLocaleString('en')} read …`}
        </Button>
      </div>
      {failedExport !== null && <ErrorPanel error={failedExport} title="The history was not exported" />}
      {error && (
        <ErrorPanel error={error} title="The history could not be read" onRetry={() => void history.refetch()} />
      )}
      {!error && (
        <Panel flush>
          {!rows && <Loading rows={8} label="Loading history" />}
          {rows && rows.length === 0 && (
            <EmptyState
              icon={Rocket}
              title={isFiltered ? 'Nothing matches these filters' : 'Nothing was deployed yet'}
              action={
                isFiltered ? (
                  <Button onClick={() => onSearch({})}>Clear the filters</Button>
                ) : (
                  <Link to="/builds" className={buttonClass()}>
                    See what can be deployed
                  </Link>
                )
              }
            />
          )}
          {rows && rows.length > 0 && (
            <DeploymentList
              deployments={rows}
              maxHeight="max(20rem, calc(100vh - 19rem))"
              onEnd={history.hasNextPage ? () => void history.fetchNextPage() : undefined}
            />
          )}
        </Panel>
      )}
    </div>
  );
}
