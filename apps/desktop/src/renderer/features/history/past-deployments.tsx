import { type DeploymentStatus, deploymentStatuses } from '@starling/shared/words.ts';
import { Link } from '@tanstack/react-router';
import { Download, Rocket } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../components/button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { SearchInput, Select } from '../../components/field.tsx';
import { EmptyState, Loading, Panel } from '../../components/page.tsx';
import { PeriodSelect } from '../../components/period-select.tsx';
import { ProjectSelect } from '../../components/project-select.tsx';
import { DeploymentStatusBadge, deploymentStatusWord, KindTag, Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { VirtualRows } from '../../components/virtual-rows.tsx';
import { client, type PastDeployment } from '../../lib/api.ts';
import { errorToShow } from '../../lib/errors.ts';
import { authorName, formatDuration, plural, shortBuild } from '../../lib/format.ts';
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
              action={isFiltered ? <Button onClick={() => onSearch({})}>Clear the filters</Button> : undefined}
            />
          )}
          {rows && rows.length > 0 && (
            <VirtualRows
              rows={rows}
              keyOf={({ id }) => String(id)}
              label="Past deployments"
              maxHeight="calc(100vh - 19rem)"
              estimateHeight={53}
              columns="8.5rem minmax(13rem,2fr) 7rem minmax(11rem,1.4fr) 6rem 5.5rem"
              head={['Status', 'Version', 'Project', 'Who and why', 'When', 'Took']}
              {...(history.hasNextPage && { onEnd: () => void history.fetchNextPage() })}
            >
              {(row) => ({ cells: cellsOf(row) })}
            </VirtualRows>
          )}
        </Panel>
      )}
    </div>
  );
}

function cellsOf(row: PastDeployment) {
  return [
    <span key="status" className="block">
      <Link to="/deployments/$id" params={{ id: String(row.id) }} className="link inline-block">
        <DeploymentStatusBadge status={row.status} />
        <span className="sr-only">, deployment {row.id}</span>
      </Link>
      <span className="block text-xs text-ink-3">deployment {row.id}</span>
    </span>,
    <span key="version" className="block">
      <span className="flex min-w-0 items-center gap-2">
        <KindTag kind={row.kind} />
        {row.hotfix && <Tag tone="warn">hotfix</Tag>}
        <Link
          to="/builds/$id"
          params={{ id: row.buildId }}
          className="link truncate py-0.5 text-ink"
          title={`${row.commitSubject}\n${authorName(row.commitAuthor)}`}
        >
          {row.commitSubject}
        </Link>
      </span>
      <span className="block font-mono text-xs text-ink-3">
        {row.previousBuildId && `${shortBuild(row.previousBuildId)} → `}
        {shortBuild(row.buildId)}
      </span>
    </span>,
    <Link
      key="project"
      to="/projects/$project"
      params={{ project: row.project }}
      className="link block truncate py-0.5 text-ink"
    >
      {row.project}
    </Link>,
    <span key="who" className="block">
      <span className="block truncate text-ink" title={row.reason}>
        {row.requestedBy}
        {row.reason && <span className="text-ink-2"> – “{row.reason}”</span>}
      </span>
      {row.outcome && (
        <span
          className={`block truncate text-xs ${row.status === 'FAILED' ? 'text-bad' : 'text-ink-3'}`}
          title={row.outcome}
        >
          {row.outcome}
        </span>
      )}
    </span>,
    <span key="when" className="text-xs text-ink-2">
      <Ago at={row.createdAt} />
    </span>,
    <span key="took" className="text-xs whitespace-nowrap text-ink-2">
      {row.tookMs === null ? '–' : formatDuration(row.tookMs)}
    </span>,
  ];
}
