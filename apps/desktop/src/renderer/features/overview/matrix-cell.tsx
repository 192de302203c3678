import { Link } from '@tanstack/react-router';
import { CircleCheck, CircleDashed, CircleX, CloudOff, Hourglass, LoaderCircle } from 'lucide-react';
import { Bar } from '../../components/bar.tsx';
import { Status, type Tone } from '../../components/status.tsx';
import type { RegionCell } from '../../lib/api.ts';
import { plural, shortBuild } from '../../lib/format.ts';
import { type CellState, summarizeCell } from '../../lib/matrix.ts';

const looks: Record<CellState, { tone: Tone; icon: typeof CircleX; spinning?: boolean }> = {
  failed: { tone: 'bad', icon: CircleX },
  offline: { tone: 'warn', icon: CloudOff },
  updating: { tone: 'busy', icon: LoaderCircle, spinning: true },
  behind: { tone: 'warn', icon: Hourglass },
  ok: { tone: 'ok', icon: CircleCheck },
  empty: { tone: 'idle', icon: CircleDashed },
};

/** What one region must run, and how many of its machines do. Opens those machines. */
export function MatrixCell({
  cell,
  project,
  isDeploying,
}: {
  cell: RegionCell;
  project: string;
  isDeploying: boolean;
}) {
  const summary = summarizeCell(cell, isDeploying);
  const look = looks[summary.state];
  const others = cell.observed.filter(({ build }) => build !== cell.desiredBuild);
  return (
    <Link
      to="/machines"
      search={{ project, region: cell.region }}
      className="-mx-1.5 -my-1 block rounded-md px-1.5 py-1 hover:bg-sunken"
    >
      <span className="sr-only">
        {project} in {cell.region}:
      </span>
      <span className="flex items-baseline justify-between gap-2">
        <span className="font-mono text-sm font-semibold text-ink">
          {cell.desiredBuild ? shortBuild(cell.desiredBuild) : '–'}
        </span>
        {summary.machines > 0 && cell.desiredBuild && (
          <span className="text-xs text-ink-2">
            {summary.upToDate}/{summary.machines}
          </span>
        )}
      </span>
      <span className="my-1.5 block">
        <Bar
          total={summary.machines}
          label={`${summary.upToDate} of ${plural(summary.machines, 'machine')} up to date`}
          segments={
            cell.desiredBuild
              ? [
                  { amount: summary.upToDate, tone: 'ok' },
                  { amount: summary.failed, tone: 'bad' },
                  { amount: isDeploying ? summary.pending : 0, tone: 'busy' },
                ]
              : []
          }
        />
      </span>
      <span className="flex flex-wrap items-center gap-x-2 text-xs">
        <Status tone={look.tone} icon={look.icon} spinning={look.spinning ?? false}>
          {summary.text}
        </Status>
        {summary.state === 'failed' && summary.offline > 0 && (
          <Status tone="warn" icon={CloudOff}>
            {summary.offline} offline
          </Status>
        )}
      </span>
      {others.length > 0 && summary.state !== 'empty' && summary.state !== 'ok' && (
        <span className="block truncate text-xs text-ink-3">
          {others
            .slice(0, 2)
            .map(({ build, machines }) => `${machines} on ${build ? shortBuild(build) : 'nothing'}`)
            .join(', ')}
        </span>
      )}
    </Link>
  );
}
