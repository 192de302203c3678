import { jobStatuses } from '@starling/shared/words.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import { limitOption, parsePositive, projectArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { shortSha, statusText, timeAgo, tookText } from '../terminal/wording.ts';

type JobStatusName = (typeof jobStatuses)[number];

interface JobsOptions {
  status?: string;
  group?: 'open' | 'unsuccessful';
  by?: string;
  commit?: string;
  before?: number;
  limit: number;
}

/** `starling jobs`: every request to build, whatever came of it. */
export function jobsCommand(open: OpenSession): Command {
  return new Command('jobs')
    .description('every request to build a commit, and what came of it')
    .addArgument(projectArgument('[project]'))
    .addOption(new Option('--status <status>', 'only those that are').choices(jobStatuses.map((s) => s.toLowerCase())))
    .addOption(
      new Option('--group <group>', 'those that wait or run; those that failed or were cancelled')
        .choices(['open', 'unsuccessful'])
        .conflicts('status'),
    )
    .option('--by <name>', 'only those that this person, or webhook, asked for')
    .addOption(new Option('--commit <sha>', 'only those of a commit: 4 or more digits of its SHA').argParser(parseSha))
    .addOption(
      new Option('--before <job>', 'only older ones: the last number of the page before').argParser(parsePositive),
    )
    .addOption(limitOption(20, 200))
    .action(async (project: string | undefined, options: JobsOptions, command: Command) => {
      const session = open(command);
      const jobs = await (await session.api()).jobs.list.query({
        limit: options.limit,
        ...(project !== undefined && { project }),
        ...(options.group !== undefined && { group: options.group }),
        ...(options.by !== undefined && { requestedBy: options.by }),
        ...(options.commit !== undefined && { commit: options.commit }),
        ...(options.before !== undefined && { before: options.before }),
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

function parseSha(text: string): string {
  const sha = text.toLowerCase();
  if (!/^[0-9a-f]{4,64}$/.test(sha)) throw new InvalidArgumentError('It is 4 or more hexadecimal digits.');
  return sha;
}
