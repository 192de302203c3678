import { Command } from 'commander';
import { projectArgument, timeoutOption, waitOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { printDeployment } from '../views/deployment-view.ts';
import { waitForDeployment } from '../waits/wait-for-deployment.ts';

interface UndoOptions {
  reason: string;
  wait?: boolean;
  timeout: number;
}

/** `starling undo-rollback`: forward again to what ran before it. */
export function undoRollbackCommand(open: OpenSession): Command {
  return new Command('undo-rollback')
    .description('go forward again to what ran before the last rollback, and lift the quarantine of it')
    .addArgument(projectArgument('<project>'))
    .requiredOption('--reason <text>', 'why the build may run again')
    .addOption(waitOption('stay until it has ended'))
    .addOption(timeoutOption())
    .action(async (project: string, options: UndoOptions, command: Command) => {
      const { reason } = options;
      const session = open(command);
      const deployment = await (await session.api()).deployments.undoRollback.mutate({ project, reason });
      if (options.wait) {
        await waitForDeployment(session, { deployment: deployment.id, timeoutMs: options.timeout }, (ended) =>
          printDeployment(session, ended),
        );
        return;
      }
      const waits = deployment.status === 'WAITING' ? ', and waits to begin' : '';
      session.print(deployment, () => `Deployment ${deployment.id} puts ${deployment.buildId} back${waits}.\n`);
      session.suggest(`follow it: starling deployment ${deployment.id} --wait`);
    });
}
