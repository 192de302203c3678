import { Command } from 'commander';
import { deploymentArgument, timeoutOption, waitOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { printDeployment } from '../views/deployment-view.ts';
import { machineComplaints, waitForDeployment } from '../waits/wait-for-deployment.ts';

/** `starling deployment`: one deployment, region by region. */
export function deploymentCommand(open: OpenSession): Command {
  return new Command('deployment')
    .description('one deployment: what each region confirmed, and what failed machines say')
    .addArgument(deploymentArgument())
    .addOption(waitOption('stay until it has ended'))
    .addOption(timeoutOption())
    .action(async (id: number, options: { wait?: boolean; timeout: number }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const deployment = await api.deployments.get.query({ id });
      if (options.wait) {
        await waitForDeployment(session, { deployment: id, timeoutMs: options.timeout }, (ended) =>
          printDeployment(session, ended),
        );
        return;
      }
      printDeployment(
        session,
        deployment,
        session.json ? [] : await machineComplaints(api, deployment, { most: 10, firstInFull: true }),
      );
      if (deployment.status === 'RUNNING') {
        session.suggest(`follow it: starling deployment ${id} --wait   stop it: starling abort ${id}`);
      }
    });
}
