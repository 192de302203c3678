import { allows, allProjects } from '@starling/shared/permissions.ts';
import { useQuery } from '@tanstack/react-query';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Loading, Page, Panel } from '../../components/page.tsx';
import { api } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useCaller, useTitle, useWhyReadOnly } from '../../lib/hooks.ts';
import { QueueFigures } from './queue-figures.tsx';
import { WaitingJobs } from './waiting-jobs.tsx';
import { WorkerTable } from './worker-table.tsx';

/** Workers come and go without a word in the change stream: they are asked for, while somebody looks. */
const askEveryMs = 5_000;

/** Who builds, what waits to be built, and how many workers that wants. */
export function WorkersPage() {
  useTitle('Workers and queue');
  const readOnly = useWhyReadOnly();
  const { data: caller } = useCaller();
  const mayDrain = caller !== undefined && allows(caller.grants, 'administer', allProjects);
  const workers = useQuery({ ...api.workers.list.queryOptions(), refetchInterval: askEveryMs });
  const queue = useQuery({ ...api.queue.status.queryOptions(), refetchInterval: askEveryMs });
  const error = errorToShow(workers) ?? errorToShow(queue);
  return (
    <Page
      title="Workers and queue"
      below={
        queue.data &&
        `${plural(queue.data.workersAlive, 'worker')} alive, ${queue.data.workersBusy} building, ${plural(queue.data.queued + queue.data.heldBack, 'job')} waiting`
      }
    >
      {error && (
        <ErrorPanel
          error={error}
          title="The workers could not be read"
          onRetry={() => void Promise.all([workers.refetch(), queue.refetch()])}
        />
      )}
      {!(workers.data && queue.data) && !error && (
        <Panel flush>
          <Loading rows={6} label="Loading workers" />
        </Panel>
      )}
      {workers.data && queue.data && (
        <>
          <QueueFigures queue={queue.data} />
          <WorkerTable
            workers={workers.data}
            blocked={readOnly ?? (mayDrain ? null : 'Only an administrator drains workers.')}
          />
          <WaitingJobs queue={queue.data} />
          <div className="grid gap-2 md:grid-cols-2">
            <CliLine command={cli.workers()} />
            <CliLine command={cli.queue()} />
          </div>
        </>
      )}
    </Page>
  );
}
