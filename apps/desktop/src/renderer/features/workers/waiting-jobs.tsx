import { Link } from '@tanstack/react-router';
import { CircleSlash } from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Loading, Panel } from '../../components/page.tsx';
import { Sha } from '../../components/sha.tsx';
import { Tag } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { VirtualRows } from '../../components/virtual-rows.tsx';
import { client, type QueueState, type WaitingJob } from '../../lib/api.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useWhyReadOnly } from '../../lib/hooks.ts';
import { usePages } from '../../lib/pages.ts';
import { useUi } from '../../lib/ui-state.ts';
import { LabelTags } from './label-tags.tsx';

const pageSize = 100;

/** What waits for a worker, in the order in which it is taken; each can be cancelled. */
export function WaitingJobs({ queue }: { queue: QueueState }) {
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const jobs = usePages({
    path: ['queue', 'waiting'],
    input: {},
    pageSize,
    read: (after: Pick<WaitingJob, 'id' | 'priority'> | undefined, signal) =>
      client.queue.waiting.query({ limit: pageSize, ...(after ? { after } : {}) }, { signal }),
    next: ({ id, priority }) => ({ id, priority }),
    keyOf: ({ id }) => id,
  });
  const { rows } = jobs;
  const error = errorToShow(jobs);
  const inAll = queue.queued + queue.heldBack;
  return (
    <Panel
      title="What waits"
      flush
      beside={
        <span className="text-xs text-ink-3">{rows && inAll > 0 && `${plural(inAll, 'job')}, the next one first`}</span>
      }
    >
      {error && (
        <div className="p-4">
          <ErrorPanel error={error} title="The queue could not be read" onRetry={() => void jobs.refetch()} />
        </div>
      )}
      {!rows && !error && <Loading rows={3} label="Loading the queue" />}
      {rows && rows.length === 0 && <p className="px-4 py-3 text-ink-2">Nothing waits: every job has a worker.</p>}
      {rows && rows.length > 0 && (
        <VirtualRows
          rows={rows}
          keyOf={({ id }) => String(id)}
          label="Jobs that wait"
          maxHeight="24rem"
          columns="minmax(2.5rem,5rem) minmax(4rem,7rem) minmax(9rem,1fr) minmax(5rem,1fr) 3.5rem minmax(5rem,1fr) minmax(4.75rem,6rem) 5.25rem"
          head={[
            'Job',
            'Project',
            'Commit',
            'Asked for by',
            'Priority',
            'Asks for',
            'Waits since',
            <span key="more" className="sr-only">
              Actions
            </span>,
          ]}
          {...(jobs.hasNextPage && { onEnd: () => void jobs.fetchNextPage() })}
        >
          {(job) => ({
            cells: [
              <Link key="job" to="/jobs/$id" params={{ id: String(job.id) }} className="link py-0.5 text-ink">
                {job.id}
              </Link>,
              <Link
                key="project"
                to="/projects/$project"
                params={{ project: job.project }}
                className="link block truncate py-0.5 text-ink"
              >
                {job.project}
              </Link>,
              <span key="commit" className="flex items-center gap-2">
                <Sha sha={job.commitSha} />
                {job.requestedRef !== job.commitSha && (
                  <span className="truncate text-xs text-ink-3">{job.requestedRef}</span>
                )}
              </span>,
              <span key="who" className="block truncate text-ink-2">
                {job.requestedBy}
              </span>,
              <Button
                key="priority"
                size="small"
                look="quiet"
                disabledBecause={readOnly}
                title={readOnly ?? 'Change its priority'}
                className="-ml-2"
                onClick={() => open({ kind: 'prioritise', jobId: job.id })}
              >
                {job.priority === 0 ? (
                  <span className="text-ink-3">0</span>
                ) : (
                  <Tag tone={job.priority > 0 ? 'accent' : 'idle'}>
                    {job.priority > 0 ? `+${job.priority}` : job.priority}
                  </Tag>
                )}
                <span className="sr-only">: change the priority of job {job.id}</span>
              </Button>,
              <LabelTags key="labels" labels={job.workerLabels} none="any worker" />,
              <span key="since" className="text-xs text-ink-2">
                <Ago at={job.createdAt} />
              </span>,
              <Button
                key="cancel"
                size="small"
                look="quiet"
                disabledBecause={readOnly}
                onClick={() => open({ kind: 'cancel', jobId: job.id })}
                icon={<CircleSlash aria-hidden className="size-3.5" />}
              >
                Cancel<span className="sr-only"> job {job.id}</span>
              </Button>,
            ],
          })}
        </VirtualRows>
      )}
    </Panel>
  );
}
