import { CircleCheck, TriangleAlert } from 'lucide-react';
import { Panel } from '../../components/page.tsx';
import { Status } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { Outputs } from '../../lib/api.ts';
import { useNow } from '../../lib/hooks.ts';

/** A leader renews every second and loses its loop after four; longer means that nobody is left to take it over. */
const lostAfterMs = 10_000;

/** Which control server leads which loop. */
export function LoopTable({ loops }: { loops: Outputs['servers']['loops'] }) {
  const now = useNow();
  if (loops.length === 0) return null;
  return (
    <Panel title="Control servers and their loops" flush>
      <table className="grid-table">
        <caption className="sr-only">Loops and who leads them</caption>
        <thead>
          <tr>
            <th scope="col">Loop</th>
            <th scope="col">Led by</th>
            <th scope="col">Since</th>
            <th scope="col">Changed hands</th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {loops.map(({ loop, leader, since, epoch, renewedAt }) => (
            <tr key={loop}>
              <td className="font-medium text-ink">{loop}</td>
              <td className="font-mono text-xs text-ink">{leader}</td>
              <td className="text-xs text-ink-2">
                <Ago at={since} />
              </td>
              <td className="text-xs text-ink-2">{epoch - 1} times</td>
              <td>
                {now - Date.parse(renewedAt) > lostAfterMs ? (
                  <Status tone="bad" icon={TriangleAlert}>
                    nobody leads it, heard <Ago at={renewedAt} />
                  </Status>
                ) : (
                  <Status tone="ok" icon={CircleCheck}>
                    led
                  </Status>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}
