import { Command } from 'commander';
import type { Api } from '../client.ts';
import { limitOption, projectArgument } from '../options.ts';
import type { OpenSession, Session } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { type Ink, marked, statusText, timeAgo } from '../terminal/wording.ts';

type ListedBuild = Awaited<ReturnType<Api['builds']['list']['query']>>[number] & {
  current?: boolean;
  lastGood?: boolean;
};
type ListedJob = Awaited<ReturnType<Api['jobs']['list']['query']>>[number];

/** `starling builds`: the versions there are, whether they can be deployed, and the jobs that made none (yet). */
export function buildsCommand(open: OpenSession): Command {
  return new Command('builds')
    .description('the versions to deploy or roll back to, and the jobs that have none yet')
    .addArgument(projectArgument('[project]'))
    .addOption(limitOption(20, 200))
    .action(async (project: string | undefined, options: { limit: number }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const [builds, jobs] = await Promise.all([
        readBuilds(api, project, options.limit),
        api.jobs.list.query({ limit: 50, ...(project !== undefined && { project }) }),
      ]);
      session.print(builds, () => describeBuilds(builds, jobs, session));
      if (builds.some((build) => build.deployable)) {
        session.suggest(`deploy one: starling deploy ${project ?? '<project>'} <build> --wait`);
      }
      if (builds.length === 0) session.suggest(`make one: starling build ${project ?? '<project>'} --wait`);
    });
}

/** What is current and last good is known of one project at a time. */
async function readBuilds(api: Api, project: string | undefined, limit: number): Promise<ListedBuild[]> {
  if (project === undefined) return api.builds.list.query({ limit });
  const versions: ListedBuild[] = await api.builds.versions.query({ project });
  if (limit <= versions.length || versions.length < 50) return versions.slice(0, limit);
  const known = new Map(versions.map((version) => [version.id, version]));
  const all = await api.builds.list.query({ project, limit });
  return all.map((build) => known.get(build.id) ?? { ...build, current: false, lastGood: false });
}

function describeBuilds(builds: readonly ListedBuild[], jobs: readonly ListedJob[], session: Session): string {
  const { outInk: ink, clock, terminal } = session;
  const nowMs = clock.now();
  const layout = { columns: terminal.out.columns, paint: ink.paint };
  const table = formatTable(
    [
      { title: 'BUILD' },
      { title: 'BUILT' },
      { title: 'JOB', align: 'right' },
      { title: 'STATE' },
      { title: 'AUTHOR' },
      { title: 'SUBJECT' },
    ],
    builds.map((build) => [
      build.id,
      timeAgo(build.createdAt, nowMs),
      String(build.jobId),
      stateOfBuild(build, ink),
      oneLine(build.commitAuthor),
      oneLine(build.commitSubject),
    ]),
    layout,
  );
  const withoutBuild = jobs.filter((job) => job.status !== 'SUCCEEDED').slice(0, 10);
  if (withoutBuild.length === 0) return table;
  return `${table}\n${formatTable(
    [
      { title: 'JOB', align: 'right' },
      { title: 'COMMIT' },
      { title: 'ASKED FOR' },
      { title: 'STATE' },
      { title: 'WHY' },
    ],
    withoutBuild.map((job) => [
      String(job.id),
      `${job.project}@${job.commitSha.slice(0, 12)}`,
      `${timeAgo(job.createdAt, nowMs)} by ${oneLine(job.requestedBy)}`,
      statusText(job.status, ink),
      job.status === 'RUNNING' ? (job.stage ?? '') : oneLine(job.failureReason ?? ''),
    ]),
    layout,
  )}`;
}

/** Whether it can be deployed, or why not, and what it was good for so far. */
export function stateOfBuild(build: ListedBuild, ink: Ink): string {
  const badges = [
    ...(build.current ? ['current'] : []),
    ...(build.lastGood ? ['last good'] : build.proven ? ['proven'] : []),
  ];
  const suffix = badges.length > 0 ? ` (${badges.join(', ')})` : '';
  if (build.deployable) return marked('good', `deployable${suffix}`, ink);
  const failed = build.replicas.some((replica) => replica.status === 'FAILED');
  return marked(failed ? 'bad' : 'busy', `not yet: ${oneLine(build.notDeployableBecause ?? 'unknown')}${suffix}`, ink);
}
