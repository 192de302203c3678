import { allows, allProjects } from '@starling/shared/permissions.ts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Check, CircleDashed, Hammer, LoaderCircle, Plus, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button, buttonClass } from '../../components/button.tsx';
import { CliLine } from '../../components/cli-line.tsx';
import { ErrorPanel } from '../../components/error-panel.tsx';
import { FindingRows, sortFindings } from '../../components/finding-rows.tsx';
import { api, type Overview } from '../../lib/api.ts';
import { cli } from '../../lib/cli-lines.ts';
import { errorToShow } from '../../lib/errors.ts';
import { plural } from '../../lib/format.ts';
import { useCaller, useWhyReadOnly } from '../../lib/hooks.ts';
import { useUi } from '../../lib/ui-state.ts';

type Progress = 'done' | 'now' | 'later' | 'trouble' | 'busy';

/** The way from an empty Starling to a first build, with what is done of it already. */
export function FirstRun({ overview }: { overview: Overview }) {
  const open = useUi((ui) => ui.open);
  const readOnly = useWhyReadOnly();
  const { data: caller } = useCaller();
  const isAdmin = caller !== undefined && allows(caller.grants, 'administer', allProjects);
  const doctor = useQuery({ ...api.doctor.run.queryOptions(), enabled: isAdmin, staleTime: 60_000 });
  const queue = useQuery({ ...api.queue.status.queryOptions(), refetchInterval: 5_000 });
  const troubles = sortFindings(doctor.data?.filter(({ status }) => status !== 'good') ?? []);
  const isBad = troubles.some(({ status }) => status === 'bad');
  const machines = overview.regions.reduce((sum, region) => sum + region.online, 0);
  const workers = queue.data?.workersAlive ?? 0;
  const isStaffed = machines > 0 && workers > 0;
  const [project] = overview.projects;
  const checked: Progress = !isAdmin ? 'done' : !doctor.data ? 'busy' : isBad ? 'trouble' : 'done';
  const doctorError = errorToShow(doctor);
  return (
    <ol className="panel mx-auto w-full max-w-3xl overflow-hidden" aria-label="First steps">
      <Step number={1} title="Connected" progress="done">
        {window.location.host} answers; it runs Starling {overview.version}.
      </Step>
      <Step number={2} title="Signed in" progress="done">
        You are {caller?.name}. Others sign in once you have{' '}
        {isAdmin ? (
          <Link to="/settings" search={{ tab: 'people' }} className="link text-accent underline">
            added them
          </Link>
        ) : (
          'added them'
        )}
        .
      </Step>
      <Step number={3} title="Checks" progress={doctorError ? 'trouble' : checked}>
        {!isAdmin && 'An administrator can have every part looked at.'}
        {doctorError && (
          <ErrorPanel error={doctorError} title="The doctor could not look" onRetry={() => void doctor.refetch()} />
        )}
        {isAdmin && !doctor.data && !doctorError && 'Every part is being looked at …'}
        {doctor.data && troubles.length === 0 && `${plural(doctor.data.length, 'check')}, all good.`}
        {troubles.length > 0 && (
          <div className="mt-2 -ml-1 overflow-x-auto rounded-lg border border-line">
            <FindingRows findings={troubles} />
          </div>
        )}
      </Step>
      <Step number={4} title="Workers and machines" progress={isStaffed ? 'done' : queue.data ? 'trouble' : 'busy'}>
        {isStaffed ? (
          `${plural(workers, 'worker')} to build, ${plural(machines, 'machine')} in ${plural(overview.regions.length, 'region')} to run it.`
        ) : (
          <>
            {workers === 0 && 'No worker is alive: nothing can be built yet. '}
            {machines === 0 && 'No machine has reported: nothing can be deployed yet. '}
            {isAdmin && (
              <Link to="/regions" search={{ tab: 'identities' }} className="link text-accent underline">
                Let them in
              </Link>
            )}
          </>
        )}
      </Step>
      <Step number={5} title="Your first project" progress={project ? 'done' : 'now'}>
        {project ? (
          `${project.name} is here.`
        ) : (
          <>
            <p>
              The repository of an application, with a <code className="font-mono text-xs">starling.yml</code> that says
              how it is built and run.
            </p>
            <div className="mt-3 flex flex-wrap items-center gap-3">
              <Button
                look="primary"
                disabledBecause={readOnly ?? (isAdmin ? null : 'Only an administrator adds projects.')}
                onClick={() => open({ kind: 'add-project' })}
                icon={<Plus aria-hidden className="size-3.5" />}
              >
                Add a project
              </Button>
              <div className="min-w-64 flex-1">
                <CliLine command={cli.addProject('', '', '')} />
              </div>
            </div>
          </>
        )}
      </Step>
      <Step number={6} title="Its first build" progress={project ? 'now' : 'later'}>
        {project ? (
          <div className="mt-2 flex flex-wrap items-center gap-3">
            <Button
              look="primary"
              disabledBecause={readOnly}
              onClick={() => open({ kind: 'build', project: project.name })}
              icon={<Hammer aria-hidden className="size-3.5" />}
            >
              Build {project.defaultRef === 'HEAD' ? 'it' : project.defaultRef}
            </Button>
            <Link to="/projects/$project" params={{ project: project.name }} className={buttonClass()}>
              Open {project.name}
            </Link>
            <div className="min-w-64 flex-1">
              <CliLine command={cli.build(project.name, undefined, false)} />
            </div>
          </div>
        ) : (
          'Starling builds a commit, brings the result to every region, and then you deploy it to all machines.'
        )}
      </Step>
    </ol>
  );
}

const marks: Record<Progress, { box: string; icon: ReactNode; word: string }> = {
  done: { box: 'bg-ok-soft text-ok', icon: <Check aria-hidden className="size-4" />, word: 'done' },
  now: { box: 'bg-accent text-on-accent', icon: null, word: 'next' },
  busy: {
    box: 'bg-busy-soft text-busy',
    icon: <LoaderCircle aria-hidden className="spin size-4" />,
    word: 'under way',
  },
  trouble: { box: 'bg-bad-soft text-bad', icon: <TriangleAlert aria-hidden className="size-4" />, word: 'needs you' },
  later: { box: 'bg-idle-soft text-idle', icon: <CircleDashed aria-hidden className="size-4" />, word: 'later' },
};

function Step({
  number,
  title,
  progress,
  children,
}: {
  number: number;
  title: string;
  progress: Progress;
  children: ReactNode;
}) {
  const { box, icon, word } = marks[progress];
  return (
    <li
      className="flex gap-4 border-b border-line px-5 py-4 last:border-b-0"
      {...(progress === 'now' && { 'aria-current': 'step' })}
    >
      <span className={`flex size-7 shrink-0 items-center justify-center rounded-full text-xs font-semibold ${box}`}>
        {icon ?? number}
      </span>
      <div className="min-w-0 flex-1">
        <h2 className={`font-semibold ${progress === 'later' ? 'text-ink-2' : 'text-ink'}`}>
          {title}
          <span className="sr-only">, {word}</span>
        </h2>
        <div className="text-ink-2">{children}</div>
      </div>
    </li>
  );
}
