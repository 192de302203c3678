import { Argument, Command, InvalidArgumentError } from 'commander';
import { jobArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';

/** `starling prioritise`: moves a build that waits within the queue. */
export function prioritiseCommand(open: OpenSession): Command {
  return new Command('prioritise')
    .description('give a build that waits another place in the queue: higher priorities go first')
    .addArgument(jobArgument())
    .addArgument(new Argument('<priority>', 'from -100 to 100; most have 0').argParser(parsePriority))
    .action(async (id: number, priority: number, _options: object, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const job = await api.jobs.prioritise.mutate({ id, priority });
      session.print(job, () => `Job ${job.id} of ${job.project} waits with priority ${job.priority}.\n`);
      session.suggest('see what waits: starling queue');
    });
}

function parsePriority(text: string): number {
  const priority = Number(text);
  if (!/^[+-]?\d{1,3}$/.test(text) || Math.abs(priority) > 100)
    throw new InvalidArgumentError('It is a whole number from -100 to 100.');
  return priority;
}
