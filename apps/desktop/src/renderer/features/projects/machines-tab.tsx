import { Link } from '@tanstack/react-router';
import { Server } from 'lucide-react';
import { Bar } from '../../components/bar.tsx';
import { EmptyState, Panel } from '../../components/page.tsx';
import type { OverviewProject } from '../../lib/api.ts';
import { plural, shortBuild } from '../../lib/format.ts';
import { summarizeCell } from '../../lib/matrix.ts';

/** Which versions the machines of each region say they run. */
export function MachinesTab({ project }: { project: OverviewProject }) {
  const isDeploying = project.lastDeployment?.status === 'RUNNING';
  if (project.regions.every((cell) => cell.machines === 0)) {
    return (
      <Panel>
        <EmptyState icon={Server} title="No machine has reported yet">
          An agent appears here as soon as it has reached the hub of its region.
        </EmptyState>
      </Panel>
    );
  }
  return (
    <Panel flush>
      <table className="grid-table">
        <caption className="sr-only">What the machines of each region run</caption>
        <thead>
          <tr>
            <th scope="col">Region</th>
            <th scope="col">Must run</th>
            <th scope="col">Runs</th>
            <th scope="col" className="min-w-44">
              Up to date
            </th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {project.regions.map((cell) => {
            const summary = summarizeCell(cell, isDeploying);
            return (
              <tr key={cell.region}>
                <td>
                  <Link
                    to="/machines"
                    search={{ project: project.name, region: cell.region }}
                    className="link font-mono text-xs font-medium text-ink"
                  >
                    {cell.region}
                  </Link>
                </td>
                <td className="font-mono text-xs">{cell.desiredBuild ? shortBuild(cell.desiredBuild) : '–'}</td>
                <td className="text-xs text-ink-2">
                  {cell.observed.length === 0
                    ? 'nothing yet'
                    : cell.observed.map(({ build, machines }) => (
                        <span key={build} className="mr-3 whitespace-nowrap">
                          <span className="font-mono text-ink">{build ? shortBuild(build) : 'nothing'}</span> on{' '}
                          {machines}
                        </span>
                      ))}
                </td>
                <td>
                  <Bar
                    total={summary.machines}
                    label={`${summary.upToDate} of ${plural(summary.machines, 'machine')} up to date`}
                    segments={[
                      { amount: cell.desiredBuild ? summary.upToDate : 0, tone: 'ok' },
                      { amount: summary.failed, tone: 'bad' },
                      { amount: isDeploying ? summary.pending : 0, tone: 'busy' },
                    ]}
                  />
                </td>
                <td className="text-xs text-ink-2">
                  {summary.state === 'empty'
                    ? summary.text
                    : [
                        `${summary.upToDate} up to date`,
                        summary.pending > 0 && `${summary.pending} ${isDeploying ? 'updating' : 'behind'}`,
                        summary.failed > 0 && `${summary.failed} failed`,
                        summary.offline > 0 && `${summary.offline} offline`,
                      ]
                        .filter(Boolean)
                        .join(', ')}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Panel>
  );
}
