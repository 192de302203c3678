import { allows, allProjects } from '@starling/shared/permissions.ts';
import { Download, ScrollText } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { SearchInput } from '../../components/field.tsx';
import { EmptyState, Loading, Page, Panel } from '../../components/page.tsx';
import { PeriodSelect } from '../../components/period-select.tsx';
import { ProjectSelect } from '../../components/project-select.tsx';
import { client } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useCaller, useNow, useSettled, useTitle } from '../../lib/hooks.ts';
import { usePages } from '../../lib/pages.ts';
import { beginOf } from '../../lib/periods.ts';
import type { AuditSearch } from '../../lib/search.ts';
import { AuditRows } from './audit-rows.tsx';
import { ChainState } from './chain-state.tsx';

const pageSize = 200;

/** Every change that a person, a process or a webhook made; and whether the log is as it was written. */
export function AuditPage({ search, onSearch }: { search: AuditSearch; onSearch: (search: AuditSearch) => void }) {
  useTitle('Audit');
  const now = useNow();
  const { data: caller } = useCaller();
  const actor = useSettled((search.actor ?? '').trim(), 250);
  const action = useSettled((search.action ?? '').trim(), 250);
  const filters = {
    ...(search.project ? { project: search.project } : {}),
    ...(actor ? { actor } : {}),
    ...(action ? { action } : {}),
    ...(search.period ? { from: beginOf(search.period, now) } : {}),
  };
  const audit = usePages({
    path: ['audit', 'list'],
    input: filters,
    pageSize,
    read: (before: number | undefined, signal) =>
      client.audit.list.query({ ...filters, limit: pageSize, ...(before ? { before } : {}) }, { signal }),
    next: (last) => last.id,
    keyOf: ({ id }) => id,
  });
  const { rows } = audit;
  const error = errorToShow(audit);
  const isFiltered = Object.keys(filters).length > 0;
  const seesAll = caller !== undefined && allows(caller.grants, 'administer', allProjects);
  const said = {
    ...(search.project && { project: search.project }),
    ...(search.actor && { actor: search.actor }),
    ...(search.action && { action: search.action }),
    ...(search.period && { from: search.period }),
  };
  return (
    <Page title="Audit" below="Every change, by whom and when. Rows are chained: none can be altered unseen">
      {seesAll && <ChainState newest={isFiltered ? undefined : rows?.[0]?.id} />}
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          label="Who, for example ada"
          value={search.actor ?? ''}
          onChange={(event) => onSearch({ ...search, actor: event.target.value })}
          className="w-48"
        />
        <SearchInput
          label="What, such as deployment.start"
          value={search.action ?? ''}
          onChange={(event) => onSearch({ ...search, action: event.target.value })}
          className="w-64"
        />
        <ProjectSelect value={search.project} onChange={(project) => onSearch({ ...search, project })} />
        <PeriodSelect
          value={search.period}
          onChange={(period) => {
            const { period: _, ...rest } = search;
            onSearch(period ? { ...rest, period } : rest);
          }}
        />
        <span className="text-xs text-ink-3" role="status">
          {rows && `${plural(rows.length, 'row')}${audit.hasNextPage ? ' loaded' : ''}`}
        </span>
        <span className="min-w-0 flex-1" />
        <a
          href={`/audit.ndjson?${new URLSearchParams(filters)}`}
          download="starling-audit.ndjson"
          className="inline-flex h-7 items-center gap-1.5 rounded-md border border-line bg-surface px-2 text-xs text-ink shadow-low hover:bg-sunken"
        >
          <Download aria-hidden className="size-3.5" />
          Export as NDJSON
        </a>
      </div>
      {error && (
        <ErrorPanel error={error} title="The audit log could not be read" onRetry={() => void audit.refetch()} />
      )}
      {!error && (
        <Panel flush>
          {!rows && <Loading rows={8} label="Loading the audit log" />}
          {rows && rows.length === 0 && (
            <EmptyState
              icon={ScrollText}
              title={isFiltered ? 'Nothing matches these filters' : 'Nothing was changed yet'}
              action={isFiltered ? <Button onClick={() => onSearch({})}>Clear the filters</Button> : undefined}
            />
          )}
          {rows && rows.length > 0 && (
            <AuditRows rows={rows} {...(audit.hasNextPage && { onEnd: () => void audit.fetchNextPage() })} />
          )}
        </Panel>
      )}
      <div className="grid gap-2 md:grid-cols-2">
        <CliLine command={cli.audit('list', said)} />
        <CliLine command={cli.audit('export', said)} />
      </div>
    </Page>
  );
}
