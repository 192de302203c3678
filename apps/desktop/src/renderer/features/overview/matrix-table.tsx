import { Link } from '@tanstack/react-router';
import { TriangleAlert } from 'lucide-react';
import { JobStatusBadge } from '../../components/status.tsx';
import { Ago } from '../../components/time.tsx';
import type { Overview, OverviewProject } from '../../lib/api.ts';
import { concernOf } from '../../lib/matrix.ts';
import { LastDeployment } from './last-deployment.tsx';
import { MatrixCell } from './matrix-cell.tsx';

const edges = ['bg-transparent', 'bg-busy-bar', 'bg-warn-bar', 'bg-bad-bar'] as const;
const concernWords = ['well', 'in progress', 'should be looked at', 'needs a person'] as const;

/** Projects as rows, regions as columns. The first column stays while the regions scroll. */
export function Matrix({ projects, regions }: { projects: readonly OverviewProject[]; regions: Overview['regions'] }) {
  return (
    <table className="grid-table">
      <caption className="sr-only">Which version runs in which region</caption>
      <thead>
        <tr>
          <th scope="col" className="sticky left-0 z-10 border-r border-line bg-surface !pl-4">
            Project
          </th>
          <th scope="col" className="w-64">
            Last deployment
          </th>
          {regions.map((region) => (
            <th scope="col" key={region.region} className="min-w-26">
              <span className="block font-mono text-xs text-ink">{region.region}</span>
              <span className="block font-normal">
                {region.online} of {region.machines} online
              </span>
              {region.keysError && (
                <span className="mt-0.5 flex items-center gap-1 font-normal text-warn" title={region.keysError}>
                  <TriangleAlert aria-hidden className="size-3.5 shrink-0" />
                  keys out of reach
                  <span className="sr-only">: {region.keysError}</span>
                </span>
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {projects.map((project) => (
          <tr key={project.name}>
            <th
              scope="row"
              className="sticky left-0 z-10 h-px border-r !border-line bg-surface !p-0 !align-top !font-normal"
            >
              <ProjectHead project={project} />
            </th>
            <td className="!align-top">
              <LastDeployment project={project} />
            </td>
            {project.regions.map((cell) => (
              <td key={cell.region} className="!align-top">
                <MatrixCell
                  cell={cell}
                  project={project.name}
                  isDeploying={project.lastDeployment?.status === 'RUNNING'}
                />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ProjectHead({ project }: { project: OverviewProject }) {
  const concern = concernOf(project);
  const { lastJob } = project;
  return (
    <div className="relative h-full">
      <span className={`absolute inset-y-0 left-0 w-1 ${edges[concern]}`} />
      <div className="min-w-40 px-4 py-2.5">
        <Link
          to="/projects/$project"
          params={{ project: project.name }}
          className="link text-sm font-semibold text-ink"
        >
          {project.name}
        </Link>
        <span className="sr-only">, {concernWords[concern]}</span>
        {lastJob && (
          <Link
            to="/jobs/$id"
            params={{ id: String(lastJob.id) }}
            className="link mt-1 flex items-center gap-1.5 text-xs text-ink-3"
          >
            <JobStatusBadge status={lastJob.status} stage={lastJob.stage} />
            <span className="font-mono">{lastJob.commitSha.slice(0, 7)}</span>
          </Link>
        )}
        {lastJob && (
          <span className="block text-xs text-ink-3">
            <Ago at={lastJob.createdAt} />
          </span>
        )}
      </div>
    </div>
  );
}
