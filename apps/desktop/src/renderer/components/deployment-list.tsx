import { Link } from '@tanstack/react-router';
import type { Deployment, PastDeployment } from '../lib/api.ts';
import { shortBuild } from '../lib/format.ts';
import { DeploymentStatusBadge, KindTag, Tag } from './status.tsx';
import { Ago, Took } from './time.tsx';
import { VirtualRows } from './virtual-rows.tsx';

type Row = Pick<
  Deployment & PastDeployment,
  | 'id'
  | 'project'
  | 'buildId'
  | 'previousBuildId'
  | 'kind'
  | 'status'
  | 'hotfix'
  | 'requestedBy'
  | 'reason'
  | 'outcome'
  | 'createdAt'
  | 'startedAt'
  | 'finishedAt'
  | 'commitSubject'
> & { pausedBy?: string | null };

/** A long list of deployments, of which only what is in sight exists: who, what, when, why, how long, how it ended. */
export function DeploymentList({
  deployments,
  maxHeight,
  onEnd,
}: {
  deployments: readonly Row[];
  maxHeight: string;
  onEnd?: (() => void) | undefined;
}) {
  return (
    <VirtualRows
      rows={deployments}
      keyOf={({ id }) => String(id)}
      label="Deployments, newest first"
      maxHeight={maxHeight}
      estimateHeight={53}
      columns="minmax(7.5rem,8.5rem) minmax(10rem,2fr) minmax(4.5rem,7rem) minmax(8rem,1.4fr) minmax(5rem,6rem) minmax(4.75rem,6.5rem)"
      head={['Status', 'Version', 'Project', 'Who and why', 'When', 'Took']}
      {...(onEnd && { onEnd })}
    >
      {(row) => ({ cells: cellsOf(row) })}
    </VirtualRows>
  );
}

function cellsOf(row: Row) {
  return [
    <span key="status" className="block">
      <Link to="/deployments/$id" params={{ id: String(row.id) }} className="link inline-block">
        <DeploymentStatusBadge status={row.status} pausedBy={row.pausedBy ?? null} />
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
          title={row.commitSubject}
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
      <Took from={row.startedAt} to={row.finishedAt} />
    </span>,
  ];
}
