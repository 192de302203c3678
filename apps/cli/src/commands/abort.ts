import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { deploymentArgument, reasonOption, yesOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { confirm } from '../terminal/confirm.ts';
import { statusText, timeAgo } from '../terminal/wording.ts';

/** `starling abort`: stops a running deployment. Said twice it changes nothing more. */
export function abortCommand(open: OpenSession): Command {
  return new Command('abort')
    .description('stop a running deployment; its machines go back to what was stable')
    .addArgument(deploymentArgument())
    .addOption(reasonOption())
    .addOption(yesOption())
    .action(async (id: number, options: { reason?: string; yes?: boolean }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      if (session.terminal.canAsk && options.yes !== true) {
        const { project, buildId, status } = await api.deployments.get.query({ id });
        if (status === 'RUNNING') {
          await confirm(`Abort deployment ${id} of ${buildId} to ${project}?`, {
            terminal: session.terminal,
            yes: false,
            signal: session.interrupted,
          });
        }
      }
      const after = await api.deployments.abort.mutate({
        id,
        ...(options.reason !== undefined && { reason: options.reason }),
      });
      session.print(
        after,
        () => `Deployment ${after.id} of ${after.buildId}: ${statusText(after.status, session.outInk)}\n`,
      );
      if (after.status !== 'ABORTED') {
        const ended = after.finishedAt ? ` ${timeAgo(after.finishedAt, session.clock.now())}` : '';
        throw new CommandFailure({
          message: `There was nothing to abort: deployment ${after.id} ${after.status}${ended}.`,
          fix: `To go back to an earlier build: starling rollback ${after.project}`,
          exitCode: exitCodes.precondition,
        });
      }
      session.suggest(`see its machines go back: starling watch ${after.project}`);
    });
}
