import { Command } from 'commander';
import { jobArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { shortSha } from '../terminal/wording.ts';

/** `starling retry`: a new job for the commit of one that failed or was cancelled. Said twice it is the same new job. */
export function retryCommand(open: OpenSession): Command {
  return new Command('retry')
    .description('build the commit of a job that failed or was cancelled once more')
    .addArgument(jobArgument())
    .action(async (id: number, _options: object, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const job = await api.jobs.retry.mutate({ id });
      const what = `${job.project} ${shortSha(job.commitSha)}`;
      session.print(job, () =>
        job.created
          ? `Job ${job.id} builds ${what}, as job ${id} did not.\n`
          : `Job ${job.id} tries job ${id} again already.\n`,
      );
      session.suggest(`follow it: starling logs ${job.id} --follow`);
    });
}
