import { CircleCheck, TriangleAlert } from 'lucide-react';
import { Figure } from '../../components/figure.tsx';
import { Panel } from '../../components/page.tsx';
import { Status } from '../../components/status.tsx';
import type { QueueState } from '../../lib/api.ts';
import { formatDuration } from '../../lib/format.ts';
import { LabelTags } from './label-tags.tsx';

const fine = <CircleCheck aria-hidden className="size-4 shrink-0 text-ok" />;
const alert = <TriangleAlert aria-hidden className="size-4 shrink-0 text-warn" />;

/** The queue in four numbers, and below them by what jobs ask of a worker. */
export function QueueFigures({ queue }: { queue: QueueState }) {
  const isLate = (queue.oldestWaitMs ?? 0) > queue.targetWaitMs;
  const tooFew = queue.workersWanted > queue.workersAlive;
  return (
    <>
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        <Figure
          value={queue.queued.toLocaleString('en')}
          text={queue.heldBack > 0 ? `waiting, and ${queue.heldBack} held back by a limit` : 'jobs waiting'}
          icon={queue.unclaimable > 0 ? alert : fine}
        />
        <Figure
          value={queue.oldestWaitMs === null ? 'none' : formatDuration(queue.oldestWaitMs)}
          text={`the first has waited; ${formatDuration(queue.targetWaitMs)} is the aim`}
          icon={isLate ? alert : fine}
        />
        <Figure
          value={queue.meanBuildMs === null ? '–' : formatDuration(queue.meanBuildMs)}
          text={`a build takes; ${Math.round(queue.arrivalsPerHour)} asked for in an hour`}
        />
        <Figure
          value={`${queue.workersAlive} of ${queue.workersWanted}`}
          text={tooFew ? 'workers wanted are alive: start more' : 'workers wanted are alive'}
          icon={tooFew ? alert : fine}
        />
      </div>
      {queue.byLabels.length > 1 || queue.unclaimable > 0 ? (
        <Panel title="By what jobs ask of a worker" flush>
          <table className="grid-table">
            <caption className="sr-only">The queue by labels</caption>
            <thead>
              <tr>
                <th scope="col">Labels</th>
                <th scope="col">Waiting</th>
                <th scope="col">Running</th>
                <th scope="col">First waits for</th>
                <th scope="col">Workers alive</th>
                <th scope="col">Wanted</th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {queue.byLabels.map((pool) => (
                <tr key={JSON.stringify(pool.labels)}>
                  <td>
                    <LabelTags labels={pool.labels} none="any worker" />
                  </td>
                  <td>{pool.queued + pool.heldBack}</td>
                  <td>{pool.running}</td>
                  <td className="text-ink-2">{pool.oldestWaitMs === null ? '–' : formatDuration(pool.oldestWaitMs)}</td>
                  <td>{pool.workersAlive}</td>
                  <td>{pool.workersWanted}</td>
                  <td>
                    {pool.unclaimableBecause ? (
                      <Status tone="warn" icon={TriangleAlert} wraps>
                        {pool.unclaimableBecause}
                      </Status>
                    ) : (
                      <Status tone="ok" icon={CircleCheck}>
                        {pool.queued > 0 ? 'will be taken' : 'nothing waits'}
                      </Status>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
      ) : null}
    </>
  );
}
