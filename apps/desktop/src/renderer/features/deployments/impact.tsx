import { TriangleAlert } from 'lucide-react';
import type { OverviewProject } from '../../lib/api.ts';
import { plural, shortBuild } from '../../lib/format.ts';
import { runningNow } from '../../lib/matrix.ts';

/** What a deployment will touch: machines, regions, what runs there now, and what it would interrupt. */
export function Impact({ project, buildId }: { project: OverviewProject; buildId: string | null }) {
  const machines = project.regions.reduce((sum, cell) => sum + cell.machines, 0);
  const online = project.regions.reduce((sum, cell) => sum + cell.online, 0);
  const running = runningNow(project);
  const already = running.find(([build]) => build === buildId)?.[1] ?? 0;
  const last = project.lastDeployment;
  return (
    <div className="rounded-lg border border-line bg-sunken/50 px-3.5 py-2.5">
      <p className="font-medium">
        {plural(machines, 'machine')} in {plural(project.regions.length, 'region')} (
        {project.regions.map((cell) => cell.region).join(', ')})
      </p>
      <ul className="mt-1 flex flex-col gap-0.5 text-ink-2">
        <li>
          {running.length === 0
            ? 'Nothing runs there yet.'
            : `They run ${running
                .slice(0, 4)
                .map(([build, count]) => `${build ? shortBuild(build) : 'nothing'} (${count})`)
                .join(', ')} now.`}
          {already > 0 && ` ${plural(already, 'machine')} ${already === 1 ? 'has' : 'have'} this version already.`}
        </li>
        {online < machines && (
          <li>{plural(machines - online, 'machine')} offline: they catch up when they are back.</li>
        )}
        {last?.status === 'RUNNING' && (
          <li className="flex items-start gap-1.5 text-warn">
            <TriangleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />
            Deployment {last.id} of {shortBuild(last.buildId)} by {last.requestedBy} is still running; this one takes
            its place.
          </li>
        )}
      </ul>
    </div>
  );
}
