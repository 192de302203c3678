import { Link } from '@tanstack/react-router';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { Sha } from '../../components/sha.tsx';
import { Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { VirtualRows } from '../../components/virtual-rows.tsx';
import type { AuditRow } from '../../lib/api.ts';

/** Rows of the log; what exactly was said with a change unfolds. */
export function AuditRows({ rows, onEnd }: { rows: readonly AuditRow[]; onEnd?: () => void }) {
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const toggle = (id: number) =>
    setOpened((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });
  return (
    <VirtualRows
      rows={rows}
      keyOf={({ id }) => String(id)}
      label="Audit log"
      maxHeight="calc(100vh - 21rem)"
      estimateHeight={37}
      columns="minmax(3rem,4.5rem) minmax(5rem,6rem) minmax(5rem,1fr) minmax(9rem,1.2fr) minmax(4.5rem,6.5rem) minmax(7rem,1.6fr) 5.25rem"
      head={[
        'Row',
        'When',
        'Who',
        'What',
        'Project',
        'To what',
        <span key="more" className="sr-only">
          Details
        </span>,
      ]}
      {...(onEnd && { onEnd })}
    >
      {(row) => {
        const isOpen = opened.has(row.id);
        return {
          cells: [
            <span key="row" className="font-mono text-xs text-ink-3">
              {row.id}
            </span>,
            <span key="when" className="text-xs text-ink-2">
              <Ago at={row.at} />
            </span>,
            <span key="who" className="block truncate text-ink" title={row.actor}>
              {row.actor}
            </span>,
            <code key="what" className="block truncate font-mono text-xs text-ink">
              {row.action}
            </code>,
            row.project === null ? (
              <Tag key="project">all</Tag>
            ) : (
              <Link
                key="project"
                to="/projects/$project"
                params={{ project: row.project }}
                className="link block truncate py-0.5 text-ink"
              >
                {row.project}
              </Link>
            ),
            <span key="target" className="block truncate" title={row.target}>
              {targetOf(row)}
            </span>,
            <button
              key="more"
              type="button"
              aria-expanded={isOpen}
              onClick={() => toggle(row.id)}
              className="inline-flex h-6 items-center gap-1 rounded px-1.5 text-xs text-accent hover:bg-accent-soft"
            >
              {isOpen ? (
                <ChevronDown aria-hidden className="size-3.5" />
              ) : (
                <ChevronRight aria-hidden className="size-3.5" />
              )}
              Details
              <span className="sr-only"> of row {row.id}</span>
            </button>,
          ],
          ...(isOpen && { detail: <Details row={row} /> }),
        };
      }}
    </VirtualRows>
  );
}

/** Where there is a page for what was changed, a link to it. */
function targetOf({ action, target }: AuditRow): ReactNode {
  if (/^\d+$/.test(target)) {
    if (action.startsWith('deployment.'))
      return (
        <Link to="/deployments/$id" params={{ id: target }} className="link text-ink">
          deployment {target}
        </Link>
      );
    if (action.startsWith('job.'))
      return (
        <Link to="/jobs/$id" params={{ id: target }} className="link text-ink">
          job {target}
        </Link>
      );
  }
  return <span className="text-ink-2">{target}</span>;
}

function Details({ row }: { row: AuditRow }) {
  return (
    <div className="mx-4 mb-2 rounded-md border border-line bg-sunken/50 px-3 py-2">
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
        tabIndex={0}
        className="max-h-56 overflow-auto font-mono text-xs whitespace-pre-wrap text-ink"
      >
        {JSON.stringify(row.details, null, 2)}
      </pre>
      <p className="mt-1.5 flex flex-wrap items-center gap-x-4 text-xs text-ink-3">
        <span>
          {new Date(row.at).toLocaleString()} ({row.at})
        </span>
        <span className="inline-flex items-center gap-1">
          hash <Sha sha={row.hash} text={row.hash.slice(0, 12)} what="hash" />
        </span>
        {row.requestId && (
          <span className="inline-flex items-center gap-1">
            request <Sha sha={row.requestId} text={row.requestId.slice(0, 8)} what="request id" />
          </span>
        )}
      </p>
    </div>
  );
}
