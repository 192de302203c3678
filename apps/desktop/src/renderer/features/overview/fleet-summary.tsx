import { CircleCheck, CloudOff, LoaderCircle, Rocket, TriangleAlert } from 'lucide-react';
import { Figure } from '../../components/figure.tsx';
import type { Overview } from '../../lib/api.ts';
import { plural } from '../../lib/format.ts';
import { concernOf, summarizeCell } from '../../lib/matrix.ts';

/** The fleet in four numbers. A number that asks for attention says so with its icon and its words. */
export function FleetSummary({ overview }: { overview: Overview }) {
  const { projects, regions } = overview;
  const machines = regions.reduce((sum, region) => sum + region.machines, 0);
  const online = regions.reduce((sum, region) => sum + region.online, 0);
  const inTrouble = projects.filter((project) => concernOf(project) === 3).length;
  const deploying = projects.filter((project) => project.lastDeployment?.status === 'RUNNING').length;
  const failed = projects.reduce(
    (sum, project) => sum + project.regions.reduce((all, cell) => all + summarizeCell(cell, false).failed, 0),
    0,
  );
  return (
    <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
      <Figure
        value={inTrouble === 0 ? 'All well' : plural(inTrouble, 'project')}
        text={inTrouble === 0 ? 'no project needs anyone' : inTrouble === 1 ? 'needs a person' : 'need a person'}
        icon={
          inTrouble === 0 ? (
            <CircleCheck aria-hidden className="size-4 text-ok" />
          ) : (
            <TriangleAlert aria-hidden className="size-4 text-bad" />
          )
        }
      />
      <Figure
        value={String(deploying)}
        text={deploying === 1 ? 'deployment under way' : 'deployments under way'}
        icon={
          deploying > 0 ? (
            <LoaderCircle aria-hidden className="spin size-4 text-busy" />
          ) : (
            <Rocket aria-hidden className="size-4 text-ink-3" />
          )
        }
      />
      <Figure
        value={`${online.toLocaleString('en')} / ${machines.toLocaleString('en')}`}
        text="machines online"
        icon={
          online === machines ? (
            <CircleCheck aria-hidden className="size-4 text-ok" />
          ) : (
            <CloudOff aria-hidden className="size-4 text-warn" />
          )
        }
      />
      <Figure
        value={failed.toLocaleString('en')}
        text={failed === 1 ? 'machine failed' : 'machines failed'}
        icon={
          failed === 0 ? (
            <CircleCheck aria-hidden className="size-4 text-ok" />
          ) : (
            <TriangleAlert aria-hidden className="size-4 text-bad" />
          )
        }
      />
    </div>
  );
}
