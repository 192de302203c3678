import { formatBytes } from '@starling/shared/durations.ts';
import { Command } from 'commander';
import { consoleAddress } from '../console-address.ts';
import { priorityOption, projectArgument, timeoutOption, waitOption } from '../options.ts';
import type { OpenSession, Session } from '../session.ts';
import { shortSha, statusText, tookText } from '../terminal/wording.ts';
import { type Build, type Job, waitForBuild } from '../waits/wait-for-build.ts';
import { inspectBuildCommand } from './build-inspect.ts';

interface BuildOptions {
  wait?: boolean;
  follow?: boolean;
  replicate: boolean;
  timeout: number;
  force?: boolean;
  priority?: number;
  key?: string;
}

/** `starling build`: queues a job, and with --wait stays until its build can be deployed. */
export function buildCommand(open: OpenSession): Command {
  return new Command('build')
    .description('build a commit; one that is built or on its way is not built again')
    .addCommand(inspectBuildCommand(open))
    .addArgument(projectArgument('<project>'))
    .argument('[ref]', "a commit's SHA, or a branch or tag, settled to its SHA at once (default: the project's ref)")
    .addOption(waitOption('stay until every region has the build, so that it can be deployed'))
    .option('-f, --follow', 'like --wait, with the log on stderr while it is written')
    .option('--no-replicate', 'with --wait: stay only until it is built, wherever it is')
    .addOption(timeoutOption())
    .option('--force', 'build it again although it is built or on its way')
    .addOption(priorityOption())
    .option('--key <text>', 'asked again with the same key, it is the same job, even with --force')
    .action(async (project: string, ref: string | undefined, options: BuildOptions, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const job = await api.jobs.create.mutate({
        project,
        force: options.force === true,
        ...(ref !== undefined && { ref }),
        ...(options.priority !== undefined && { priority: options.priority }),
        ...(options.key !== undefined && { idempotencyKey: options.key }),
      });
      const address = consoleAddress((await session.access()).server, ['jobs', job.id]);
      const what = `${project} ${shortSha(job.commitSha)}`;
      const begun = job.created
        ? `Job ${job.id} builds ${what}.`
        : `Job ${job.id} ${job.status === 'SUCCEEDED' ? 'has built' : 'builds'} ${what} already; --force builds it again.`;
      if (!options.wait && !options.follow) {
        session.print(job, () => `${begun}\n`);
        session.suggest(
          job.status === 'SUCCEEDED'
            ? `deploy it: starling deploy ${project} ${job.buildId ?? shortSha(job.commitSha)}`
            : `follow it: starling logs ${job.id} --follow   console: ${address}`,
        );
        return;
      }
      session.say(`${begun}   ${address}`);
      const done = await waitForBuild(session, {
        job: job.id,
        timeoutMs: options.timeout,
        followLog: options.follow === true,
        untilBuiltOnly: !options.replicate,
        // Asked for once more without --force, the same job is found.
        resume: `starling build ${project} ${job.commitSha} --wait`,
      });
      session.print({ ...done.job, created: job.created, build: done.build }, () => describeBuilt(done, session));
      session.suggest(
        done.build.deployable
          ? `deploy it: starling deploy ${project} ${done.build.id} --wait`
          : `see when it can be deployed: starling builds ${project}`,
      );
    });
}

function describeBuilt({ job, build }: { job: Job; build: Build }, { outInk, clock }: Session): string {
  const took = tookText(job.createdAt, job.finishedAt, clock.now());
  const where = build.deployable
    ? `in all ${build.replicas.length} regions, deployable`
    : (build.notDeployableBecause ?? 'not deployable');
  return `${statusText(job.status, outInk)}  ${build.id}  ${formatBytes(build.streamBytes)}, ${formatBytes(build.packBytes)} of it new, built in ${took}, ${where}\n`;
}
