import { jobStatuses } from '@starling/shared/words.ts';
import { Command, Option } from 'commander';
import { limitOption, projectArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { shortSha, statusText, timeAgo, tookText } from '../terminal/wording.ts';

type JobStatusName = (typeof jobStatuses)[number];

/** `starling jobs`: every request to build, whatever came of it. */
export function jobsCommand(open: OpenSession): Command {
  return new Command('jobs')
    .description('every request to build a commit, and what came of it')
    .addArgument(projectArgument('[project]'))
    .addOption(new Option('--status <status>', 'only those that are').choices(jobStatuses.map((s) => s.toLowerCase())))
    .addOption(limitOption(20, 200))
    .action(async (project: string | undefined, options: { status?: string; limit: number }, command: Command) => {
      const session = open(command);
      const jobs = await (await session.api()).jobs.list.query({
        limit: options.limit,
        ...(project !== undefined && { project }),
        ...(options.status !== undefined && { status: options.status.toUpperCase() as JobStatusName }),
      });
      const { outInk: ink, clock, terminal } = session;
      const nowMs = clock.now();
      session.print(jobs, () =>
        formatTable(
          [
            { title: 'JOB', align: 'right' },
            { title: 'STATUS' },
            { title: 'PROJECT' },
            { title: 'COMMIT' },
            { title: 'ASKED FOR' },
            { title: 'TOOK', align: 'right' },
            { title: 'RESULT' },
          ],
          jobs.map((job) => [
            String(job.id),
            statusText(job.status, ink),
            job.project,
            shortSha(job.commitSha),
            `${timeAgo(job.createdAt, nowMs)} by ${oneLine(job.requestedBy)}`,
            tookText(job.startedAt, job.finishedAt, nowMs),
            job.buildId ?? oneLine(job.failureReason ?? job.stage ?? ''),
          ]),
          { columns: terminal.out.columns, paint: ink.paint },
        ),
      );
      const running = jobs.find((job) => job.status === 'RUNNING');
      if (running) session.suggest(`follow it: starling logs ${running.id} --follow`);
    });
}
