import { Link } from '@tanstack/react-router';
import { type BuildRow, whatOf } from '../../components/build-rows.tsx';
import { DeployButton } from '../../components/deploy-button.tsx';
import { Sha } from '../../components/sha.tsx';
import { StageTimes } from '../../components/stage-times.tsx';
import { JobStatusBadge } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { VirtualRows } from '../../components/virtual-rows.tsx';
import { authorName, shortBuild } from '../../lib/format.ts';

/** A long list of jobs with the builds that came of them, of which only what is in sight exists. */
export function BuildList({
  rows,
  maxHeight,
  onEnd,
}: {
  rows: readonly BuildRow[];
  maxHeight: string;
  onEnd: (() => void) | undefined;
}) {
  return (
    <VirtualRows
      rows={rows}
      keyOf={({ job }) => String(job.id)}
      label="Builds, newest first"
      maxHeight={maxHeight}
      estimateHeight={53}
      columns="minmax(8.25rem,9rem) minmax(9rem,2fr) minmax(4.5rem,7rem) minmax(6rem,1fr) minmax(5.5rem,7.5rem) minmax(6.5rem,9.5rem)"
      head={[
        'Status',
        'Commit',
        'Project',
        'Asked for',
        'Time',
        <span key="deploy" className="block text-right">
          Deploy
        </span>,
      ]}
      {...(onEnd && { onEnd })}
    >
      {(row) => ({ cells: cellsOf(row) })}
    </VirtualRows>
  );
}

function cellsOf({ job, build }: BuildRow) {
  return [
    <span key="status" className="block">
      <Link to="/jobs/$id" params={{ id: String(job.id) }} className="link inline-block">
        <JobStatusBadge status={job.status} stage={job.stage} />
        <span className="sr-only">, job {job.id}</span>
      </Link>
      <span className="block truncate text-xs text-ink-3">
        job {job.id}
        {job.attempts > 1 && `, attempt ${job.attempts} of ${job.maxAttempts}`}
      </span>
    </span>,
    <span key="commit" className="block">
      {build ? (
        <Link
          to="/builds/$id"
          params={{ id: build.id }}
          className="link block truncate py-0.5 font-medium text-ink"
          title={build.commitSubject}
        >
          {build.commitSubject}
        </Link>
      ) : (
        <Link
          to="/jobs/$id"
          params={{ id: String(job.id) }}
          className="link block truncate py-0.5 text-ink-2"
          title={job.failureReason ?? undefined}
        >
          {whatOf(job)}
        </Link>
      )}
      <span className="flex items-center gap-3 text-xs text-ink-3">
        <Sha sha={job.commitSha} {...(build ? { text: shortBuild(build.id) } : {})} />
        {build && <span className="truncate">{authorName(build.commitAuthor)}</span>}
      </span>
    </span>,
    <Link
      key="project"
      to="/projects/$project"
      params={{ project: job.project }}
      className="link block truncate py-0.5 text-ink"
    >
      {job.project}
    </Link>,
    <span key="asked" className="block text-xs text-ink-2">
      <Ago at={job.createdAt} />
      <span className="block truncate text-ink-3">
        {job.requestedBy}, {job.requestedRef === job.commitSha ? 'by SHA' : job.requestedRef}
      </span>
    </span>,
    <StageTimes key="time" job={job} />,
    build ? (
      <span key="deploy" className="flex justify-end">
        <DeployButton build={build} size="small" look="plain" reason="below" brief />
      </span>
    ) : (
      <span key="deploy" className="block text-right text-xs text-ink-3">
        {job.status === 'QUEUED' || job.status === 'RUNNING'
          ? 'not built yet'
          : job.buildId
            ? 'being read …'
            : 'nothing to deploy'}
      </span>
    ),
  ];
}
