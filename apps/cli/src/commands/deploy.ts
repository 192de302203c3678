import { Command } from 'commander';
import { projectArgument, reasonOption, timeoutOption, waitOption, yesOption } from '../options.ts';
import { type RolloutOptions, rolloutOf, rolloutOptions } from '../rollout-options.ts';
import type { OpenSession } from '../session.ts';
import { showForecast } from '../show-forecast.ts';
import { startDeployment } from '../start-deployment.ts';

interface DeployOptions extends RolloutOptions {
  wait?: boolean;
  timeout: number;
  reason?: string;
  replace?: boolean;
  queue?: boolean;
  hotfix?: boolean;
  dryRun?: boolean;
  forecast?: boolean;
  yes?: boolean;
}

/** `starling deploy`: puts a build on every machine. */
export function deployCommand(open: OpenSession): Command {
  const command = new Command('deploy')
    .description('put a build on every machine; every region must have it')
    .addArgument(projectArgument('<project>'))
    .argument('<build>', "a build's id, or the first digits of its commit's SHA")
    .addOption(waitOption('stay until the machines have confirmed it, or it failed'))
    .addOption(timeoutOption())
    .addOption(reasonOption())
    .option('--replace', 'take the place of a deployment that is still running')
    .option('--queue', 'wait for a deployment that is still running, first come, first served')
    .option('--hotfix', 'pass a freeze window; approvers may, with a --reason')
    .option(
      '--dry-run',
      'say what it would do in which waves, which gates would hold it, and whether it would be refused',
    )
    .option('--forecast', 'say how long it would take and what bytes it would move; changes nothing')
    .addOption(yesOption());
  for (const option of rolloutOptions()) command.addOption(option);
  return command.action(async (project: string, build: string, options: DeployOptions, self: Command) => {
    const whenBusy = options.replace ? 'REPLACE' : options.queue ? 'QUEUE' : 'REFUSE';
    const hotfix = options.hotfix === true;
    const rollout = rolloutOf(options);
    if (options.forecast) return showForecast(open(self), { project, build, ...(rollout && { rollout }) });
    await startDeployment(open(self), {
      project,
      build,
      verb: 'Deploy',
      mayReplace: options.replace === true || options.queue === true,
      gated: { whenBusy, hotfix, rollout },
      dryRun: options.dryRun === true,
      yes: options.yes === true,
      wait: options.wait === true,
      timeoutMs: options.timeout,
      start: (api, agreed) =>
        api.deployments.deploy.mutate({
          project,
          build: agreed ?? build,
          whenBusy,
          hotfix,
          ...(rollout && { rollout }),
          ...(options.reason !== undefined && { reason: options.reason }),
        }),
    });
  });
}
