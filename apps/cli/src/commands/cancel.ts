import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { jobArgument, reasonOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { statusText } from '../terminal/wording.ts';

/** `starling cancel`: ends a build that waits or runs. Said twice it changes nothing more. */
export function cancelCommand(open: OpenSession): Command {
  return new Command('cancel')
    .description('end a build that waits or runs; its recipe is stopped')
    .addArgument(jobArgument())
    .addOption(reasonOption())
    .action(async (id: number, options: { reason?: string }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const after = await api.jobs.cancel.mutate({
        id,
        ...(options.reason !== undefined && { reason: options.reason }),
      });
      session.print(after, () => `Job ${after.id} of ${after.project}: ${statusText(after.status, session.outInk)}\n`);
      if (after.status !== 'CANCELLED') {
        throw new CommandFailure({
          message: `There was nothing to cancel: job ${after.id} ${after.status}.`,
          exitCode: exitCodes.precondition,
        });
      }
      session.suggest(`build it after all: starling retry ${after.id}`);
    });
}
