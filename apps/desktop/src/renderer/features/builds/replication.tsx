import { CircleCheck } from 'lucide-react';
import { Bar } from '../../components/bar.tsx';
import { Panel } from '../../components/page.tsx';
import { ReplicaStatusBadge, Status } from '../../components/status.tsx';
import { Ago, Took } from '../../components/time.tsx';
import type { Replica } from '../../lib/api.ts';
import { formatBytes, formatEta, formatRate, percentOf } from '../../lib/format.ts';
import { useNow } from '../../lib/hooks.ts';
import { copyEtaMs, whyWaiting } from '../../lib/replication.ts';

/** Where the build's bytes are: region by region, with what is missing and why. */
export function Replication({ replicas, because }: { replicas: readonly Replica[]; because: string | null }) {
  const now = useNow();
  const waiting = whyWaiting(replicas, because, now);
  return (
    <Panel
      title="Replication"
      flush
      beside={
        waiting === null ? (
          <Status tone="ok" icon={CircleCheck} boxed>
            In every region, can be deployed
          </Status>
        ) : (
          <span className="text-xs text-ink-2">{waiting}</span>
        )
      }
    >
      <table className="grid-table">
        <caption className="sr-only">Replication by region</caption>
        <thead>
          <tr>
            <th scope="col">Region</th>
            <th scope="col">State</th>
            <th scope="col" className="min-w-44">
              Bytes
            </th>
            <th scope="col">Time</th>
            <th scope="col">Attempts</th>
            <th scope="col">Finished</th>
          </tr>
        </thead>
        <tbody>
          {replicas.map((replica) => {
            const etaMs = copyEtaMs(replica, now);
            const elapsedMs = replica.startedAt ? now - Date.parse(replica.startedAt) : 0;
            return (
              <tr key={replica.region}>
                <td className="font-mono text-xs text-ink">{replica.region}</td>
                <td className="max-w-80">
                  <ReplicaStatusBadge status={replica.status} />
                  {replica.failureReason && replica.status !== 'REPLICATED' && (
                    <span className="block text-xs break-words text-bad">{replica.failureReason}</span>
                  )}
                </td>
                <td>
                  <span className="mb-1 flex justify-between gap-3 text-xs text-ink-2">
                    <span>
                      {formatBytes(replica.bytesDone)} of {formatBytes(replica.bytesTotal)}
                    </span>
                    <span>{percentOf(replica.bytesDone, replica.bytesTotal)} %</span>
                  </span>
                  <Bar
                    total={replica.bytesTotal}
                    label={`${percentOf(replica.bytesDone, replica.bytesTotal)} percent copied`}
                    segments={[
                      {
                        amount: replica.bytesDone,
                        tone: replica.status === 'FAILED' ? 'bad' : replica.status === 'REPLICATED' ? 'ok' : 'busy',
                      },
                    ]}
                  />
                </td>
                <td className="text-xs text-ink-2">
                  {replica.startedAt ? <Took from={replica.startedAt} to={replica.finishedAt} /> : '–'}
                  {etaMs !== null && (
                    <span className="block text-ink-3">
                      {formatEta(etaMs)} left, {formatRate((replica.bytesDone / elapsedMs) * 1_000)}
                    </span>
                  )}
                  {replica.status === 'FAILED' && (
                    <span className="block text-ink-3">
                      next try{' '}
                      {Date.parse(replica.nextAttemptAt) > now
                        ? formatEta(Date.parse(replica.nextAttemptAt) - now).replace('about', 'in about')
                        : 'now'}
                    </span>
                  )}
                </td>
                <td className="text-ink-2">{replica.attempts}</td>
                <td className="text-xs text-ink-2">
                  <Ago at={replica.finishedAt} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Panel>
  );
}
