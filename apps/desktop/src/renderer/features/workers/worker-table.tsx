import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import {
  Ban,
  CircleDashed,
  CircleStop,
  CloudOff,
  Hourglass,
  LoaderCircle,
  type LucideIcon,
  Wrench,
} from 'lucide-react';
import { Button } from '../../components/button.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { EmptyState, Panel } from '../../components/page.tsx';
import { Status, stageWord, type Tone } from '../../components/status.tsx';
import { Ago, Took } from '../../components/time.tsx';
import { api, queryClient, type Worker } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { shortSha } from '../../lib/format.ts';
import { LabelTags } from './label-tags.tsx';

const looks: Record<Worker['state'], { tone: Tone; icon: LucideIcon; word: string; spinning?: boolean }> = {
  IDLE: { tone: 'ok', icon: CircleDashed, word: 'Idle' },
  BUSY: { tone: 'busy', icon: LoaderCircle, word: 'Building', spinning: true },
  DRAINING: { tone: 'warn', icon: Hourglass, word: 'Draining' },
  REVOKED: { tone: 'bad', icon: Ban, word: 'Shut out' },
  SILENT: { tone: 'bad', icon: CloudOff, word: 'Silent' },
  STOPPED: { tone: 'idle', icon: CircleStop, word: 'Stopped' },
};

/** The workers of the last day: what each does, what it can do, and whether it takes more. */
export function WorkerTable({ workers, blocked }: { workers: readonly Worker[]; blocked: string | null }) {
  const refresh = () => queryClient.invalidateQueries({ queryKey: api.workers.pathKey() });
  const drain = useMutation(api.workers.drain.mutationOptions({ onSuccess: refresh }));
  const resume = useMutation(api.workers.resume.mutationOptions({ onSuccess: refresh }));
  const error = drain.error ?? resume.error;
  return (
    <Panel title="Workers" flush>
      {error && (
        <div className="p-4">
          <ErrorPanel error={error} title="The worker was not changed" />
        </div>
      )}
      {workers.length === 0 && (
        <EmptyState icon={Wrench} title="No worker has come yet">
          Start one with: <code className="font-mono">node apps/server/src/main.ts worker</code>. It appears here by
          itself.
        </EmptyState>
      )}
      {workers.length > 0 && (
        <table className="grid-table">
          <caption className="sr-only">Workers</caption>
          <thead>
            <tr>
              <th scope="col">Worker</th>
              <th scope="col">State</th>
              <th scope="col">Builds</th>
              <th scope="col">Labels</th>
              <th scope="col">Seen</th>
              <th scope="col" className="hidden xl:table-cell">
                Version
              </th>
              <th scope="col">
                <span className="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {workers.map((worker) => {
              const look = looks[worker.state];
              const isDrained = worker.drainedBy !== null;
              const change = isDrained ? resume : drain;
              return (
                <tr key={worker.name}>
                  <td className="max-w-44 xl:max-w-72">
                    <span className="block truncate font-mono text-xs font-medium text-ink">{worker.name}</span>
                    <span className="block truncate text-xs text-ink-3" title={worker.place}>
                      {worker.place}
                    </span>
                  </td>
                  <td>
                    <Status tone={look.tone} icon={look.icon} spinning={look.spinning ?? false}>
                      {look.word}
                    </Status>
                    {worker.drainingSince && (
                      <span className="block text-xs text-ink-3">
                        {worker.drainedBy ? `by ${worker.drainedBy} ` : 'to end, '}
                        <Ago at={worker.drainingSince} />
                      </span>
                    )}
                  </td>
                  <td>
                    {worker.job ? (
                      <>
                        <Link to="/jobs/$id" params={{ id: String(worker.job.id) }} className="link text-ink">
                          {worker.job.project}{' '}
                          <span className="font-mono text-xs">{shortSha(worker.job.commitSha)}</span>
                        </Link>
                        <span className="block text-xs text-ink-3">
                          job {worker.job.id}
                          {worker.job.stage && `, ${stageWord(worker.job.stage)}`},{' '}
                          <Took from={worker.job.startedAt} to={null} />
                        </span>
                      </>
                    ) : (
                      <span className="text-ink-3">–</span>
                    )}
                  </td>
                  <td>
                    <LabelTags labels={worker.labels} none="none" />
                  </td>
                  <td className="text-xs text-ink-2">
                    <Ago at={worker.lastSeenAt} />
                  </td>
                  <td className="hidden text-xs text-ink-2 xl:table-cell">{worker.version}</td>
                  <td className="text-right">
                    <Button
                      size="small"
                      disabledBecause={blocked ?? (worker.state === 'REVOKED' ? 'It was shut out.' : null)}
                      title={blocked ?? cli.drain(worker.name, isDrained)}
                      busy={change.isPending && change.variables?.name === worker.name}
                      onClick={() => change.mutate({ name: worker.name })}
                    >
                      {isDrained ? 'Resume' : 'Drain'}
                      <span className="sr-only"> {worker.name}</span>
                    </Button>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
