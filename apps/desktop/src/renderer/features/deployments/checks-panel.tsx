import { type CheckVerdict, checkVerdicts } from '@starling/shared/rollout-checks.ts';
import { useQuery } from '@tanstack/react-query';
import { CircleCheck, CircleHelp, CircleX, LoaderCircle, type LucideIcon, TriangleAlert } from 'lucide-react';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { Panel } from '../../components/page.tsx';
import { Status, type Tone } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import { api, type DeploymentWithRegions } from '../../lib/api.ts';
import { errorToShow } from '../../lib/errors.ts';

const looks: Record<CheckVerdict, { tone: Tone; icon: LucideIcon; word: string }> = {
  SUCCESSFUL: { tone: 'ok', icon: CircleCheck, word: 'Good' },
  FAILED: { tone: 'bad', icon: CircleX, word: 'Failed' },
  INCONCLUSIVE: { tone: 'warn', icon: CircleHelp, word: 'Says neither' },
  ERROR: { tone: 'warn', icon: TriangleAlert, word: 'Not measured' },
};

/** What the checks of a rollout measured lately. Nothing for one that has none. */
export function ChecksPanel({ deployment }: { deployment: DeploymentWithRegions }) {
  const hasChecks = (deployment.plan?.analysis?.length ?? 0) > 0;
  const read = useQuery({
    ...api.deployments.measurements.queryOptions({ id: deployment.id, limit: 20 }),
    enabled: hasChecks,
  });
  if (!hasChecks) return null;
  const error = errorToShow(read);
  return (
    <Panel
      title="Checks"
      beside={
        <span className="text-xs text-ink-3">
          {deployment.checking
            ? `${deployment.checking.stage === 'before' ? 'before' : 'while'} wave ${deployment.checking.wave}${deployment.checking.stage === 'before' ? '' : ' bakes'}: ${deployment.checking.checks
                .map(({ name, counted, count }) => `${name} ${counted} of ${count}`)
                .join(', ')}`
            : 'before its waves and while they bake'}
        </span>
      }
      flush
    >
      {error && (
        <div className="p-4">
          <ErrorPanel error={error} title="The checks could not be read" onRetry={() => void read.refetch()} />
        </div>
      )}
      {read.data?.length === 0 && <p className="px-4 py-3 text-ink-2">Nothing was measured yet.</p>}
      {read.data && read.data.length > 0 && (
        <table className="grid-table">
          <caption className="sr-only">What was measured, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Verdict</th>
              <th scope="col">Check</th>
              <th scope="col">Of</th>
              <th scope="col">What was measured</th>
              <th scope="col">When</th>
            </tr>
          </thead>
          <tbody>
            {read.data.map(({ id, check, wave, stage, verdict, detail, beganAt }) => {
              const look = checkVerdicts.find((known) => known === verdict);
              return (
                <tr key={id}>
                  <td className="whitespace-nowrap">
                    {look ? (
                      <Status tone={looks[look].tone} icon={looks[look].icon}>
                        {looks[look].word}
                      </Status>
                    ) : (
                      <Status tone="busy" icon={LoaderCircle} spinning>
                        Being measured
                      </Status>
                    )}
                  </td>
                  <td className="font-medium text-ink">{check}</td>
                  <td className="whitespace-nowrap text-ink-2">
                    wave {wave}, {stage === 'before' ? 'before it' : 'while it bakes'}
                  </td>
                  <td className="text-ink-2">{detail || '–'}</td>
                  <td className="text-xs text-ink-2">
                    <Ago at={beganAt} />
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
