import { Command } from 'commander';
import type { OpenSession } from '../session.ts';

/** `starling worker drain` and `starling worker resume`. Said twice they change nothing more. */
export function workerCommand(open: OpenSession): Command {
  const worker = new Command('worker').description('lets one worker take no more jobs, or take them again');

  worker
    .command('drain')
    .description('let a worker take no new job; it finishes the one it has and stays until it is resumed or stopped')
    .argument('<name>', 'its name; list them with: starling workers')
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const drained = await (await session.api()).workers.drain.mutate({ name });
      const { job } = drained;
      session.print(drained, () =>
        job
          ? `Worker ${name} takes no new job; it finishes job ${job.id} of ${job.project}.\n`
          : `Worker ${name} takes no new job, and builds nothing now.\n`,
      );
      session.suggest(`let it work again: starling worker resume ${name}`);
    });

  worker
    .command('resume')
    .description('let a drained worker take jobs again')
    .argument('<name>', 'its name; list them with: starling workers')
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const resumed = await (await session.api()).workers.resume.mutate({ name });
      session.print(resumed, () => `Worker ${name} takes jobs again; it is ${resumed.state}.\n`);
    });

  return worker;
}
