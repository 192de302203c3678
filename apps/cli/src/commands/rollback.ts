import { Command } from 'commander';
import { projectArgument, reasonOption, timeoutOption, waitOption, yesOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { startDeployment } from '../start-deployment.ts';

interface RollbackOptions {
  wait?: boolean;
  timeout: number;
  reason?: string;
  dryRun?: boolean;
  yes?: boolean;
}

/** `starling rollback`: back to a build that is already there. */
export function rollbackCommand(open: OpenSession): Command {
  return new Command('rollback')
    .description('go back (or forward again) to a build that is there; takes the place of whatever runs')
    .addArgument(projectArgument('<project>'))
    .argument('[build]', "a build's id, or the first digits of its commit's SHA (default: the last good build)")
    .addOption(waitOption('stay until the machines have confirmed it, or it failed'))
    .addOption(timeoutOption())
    .addOption(reasonOption())
    .option('--dry-run', 'say what it would do and whether it would be refused')
    .addOption(yesOption())
    .action(async (project: string, build: string | undefined, options: RollbackOptions, command: Command) => {
      await startDeployment(open(command), {
        project,
        build,
        verb: 'Roll back to',
        mayReplace: true,
        gated: undefined,
        dryRun: options.dryRun === true,
        yes: options.yes === true,
        wait: options.wait === true,
        timeoutMs: options.timeout,
        start: (api, agreed) =>
          api.deployments.rollback.mutate({
            project,
            ...(agreed !== undefined && { build: agreed }),
            ...(options.reason !== undefined && { reason: options.reason }),
          }),
      });
    });
}
