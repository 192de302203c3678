import type { JobStatus } from '@starling/shared/words.ts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleSlash, Hammer, ListOrdered, PackageCheck } from 'lucide-react';
import { Button, buttonClass } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Loading, Panel } from '../../components/page.tsx';
import { Sha } from '../../components/sha.tsx';
import { JobStatusBadge } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import type { JobSearch } from '../../lib/search.ts';
import { useUi } from '../../lib/ui-state.ts';
import { LogView } from './log-view.tsx';
import { StageLine } from './stage-line.tsx';

const reasonTitle: Partial<Record<JobStatus, string>> = { FAILED: 'Why it failed', CANCELLED: 'Cancelled' };

/** One job: its stages, why it failed if it did, and its log, live. */
export function JobPage({
  id,
  search,
  onSearch,
}: {
  id: number;
  search: JobSearch;
  onSearch: (search: JobSearch) => void;
}) {
  useTitle(`Job ${id}`);
  const read = useQuery(api.jobs.get.queryOptions({ id }));
  const { data: job, refetch } = read;
  const error = errorToShow(read);
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  return (
    <div className="flex h-full min-h-0 flex-col">
      <header className="border-b border-line bg-surface px-6 py-3">
        <div className="mb-0.5 flex items-center gap-1.5 text-xs text-ink-3">
          {job && (
            <>
              <Link to="/projects/$project" params={{ project: job.project }} className="link">
                {job.project}
              </Link>
              <span aria-hidden>/</span>
            </>
          )}
          <Link to="/builds" search={job ? { project: job.project } : {}} className="link">
            builds
          </Link>
        </div>
        <div className="flex flex-wrap items-center justify-between gap-3">
          <div className="flex flex-wrap items-center gap-3">
            <h1 className="text-lg font-semibold tracking-tight">Job {id}</h1>
            {job && <JobStatusBadge status={job.status} stage={job.stage} boxed />}
            {job && <Sha sha={job.commitSha} />}
          </div>
          {job && (
            <div className="flex items-center gap-2">
              {job.status === 'QUEUED' && (
                <Button
                  disabledBecause={readOnly}
                  onClick={() => open({ kind: 'prioritise', jobId: job.id })}
                  icon={<ListOrdered aria-hidden className="size-3.5" />}
                >
                  Priority {job.priority}
                </Button>
              )}
              {(job.status === 'QUEUED' || job.status === 'RUNNING') && (
                <Button
                  look="danger"
                  disabledBecause={readOnly}
                  onClick={() => open({ kind: 'cancel', jobId: job.id })}
                  icon={<CircleSlash aria-hidden className="size-3.5" />}
                >
                  Cancel
                </Button>
              )}
              <Button
                disabledBecause={readOnly}
                onClick={() => open({ kind: 'build', project: job.project, ref: job.commitSha, force: true })}
                icon={<Hammer aria-hidden className="size-3.5" />}
              >
                Build again
              </Button>
              {job.buildId && (
                <Link to="/builds/$id" params={{ id: job.buildId }} className={buttonClass('primary')}>
                  <PackageCheck aria-hidden className="size-3.5" />
                  Open the build
                </Link>
              )}
            </div>
          )}
        </div>
        {job && (
          <p className="mt-0.5 text-ink-2">
            {job.requestedBy} asked for{' '}
            {job.requestedRef === job.commitSha ? (
              'this commit'
            ) : (
              <code className="font-mono text-xs">{job.requestedRef}</code>
            )}{' '}
            <Ago at={job.createdAt} />
            {job.worker && `, worker ${job.worker}`}
            {job.attempts > 1 && `, attempt ${job.attempts} of ${job.maxAttempts}`}
          </p>
        )}
      </header>
      <div className="flex min-h-0 flex-1 flex-col gap-3 px-6 py-4">
        {error && <ErrorPanel error={error} title={`Job ${id} could not be read`} onRetry={() => void refetch()} />}
        {!job && !error && (
          <Panel flush>
            <Loading rows={6} label="Loading the job" />
          </Panel>
        )}
        {job && (
          <>
            <StageLine job={job} />
            {job.failureReason && (
              <div role="status" className="rounded-lg border border-bad-bar/50 bg-bad-soft px-4 py-2.5">
                <p className="font-semibold text-bad">{reasonTitle[job.status] ?? 'Why the last attempt ended'}</p>
                <p className="max-h-24 overflow-auto break-words whitespace-pre-wrap text-ink">{job.failureReason}</p>
              </div>
            )}
            <LogView key={id} job={job} find={search.find ?? ''} onFind={(find) => onSearch({ find })} />
            <div className="max-w-md">
              <CliLine command={cli.logs(id)} />
            </div>
          </>
        )}
      </div>
    </div>
  );
}
