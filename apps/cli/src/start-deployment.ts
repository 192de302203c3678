import type { Api } from './client.ts';
import { consoleAddress } from './console-address.ts';
import { type DeploymentPlan, describePlan, type Gated, planDeployment } from './deployment-plan.ts';
import { exitCodes } from './exit-codes.ts';
import { CommandFailure } from './failure.ts';
import type { Session } from './session.ts';
import { confirm } from './terminal/confirm.ts';
import { printDeployment } from './views/deployment-view.ts';
import { waitForDeployment } from './waits/wait-for-deployment.ts';

export interface StartOptions {
  project: string;
  /** As the person wrote it; the last good one when left out. */
  build: string | undefined;
  verb: 'Deploy' | 'Roll back to';
  mayReplace: boolean;
  /** How it is asked for; undefined for what has no gates to pass. */
  gated: Gated | undefined;
  dryRun: boolean;
  yes: boolean;
  wait: boolean;
  timeoutMs: number;
  /** Asks the server for it; `build` is the id that the person has agreed to, where there was a question. */
  start: (api: Api, build: string | undefined) => Promise<{ id: number; buildId: string; status: string }>;
}

/** What deploy and rollback have in common: look, ask, act, wait. */
export async function startDeployment(session: Session, options: StartOptions): Promise<void> {
  const { terminal, clock, interrupted } = session;
  const api = await session.api();
  const mustAsk = terminal.canAsk && !options.yes;
  let agreed = options.build;
  if (options.dryRun || mustAsk) {
    const plan = await planDeployment(api, {
      project: options.project,
      name: options.build,
      mayReplace: options.mayReplace,
      gated: options.gated,
    });
    if (options.dryRun) return reportDryRun(session, options, plan);
    session.say(describePlan(plan, clock.now(), session.errInk));
    await confirm(`${options.verb} ${plan.build}?`, { terminal, yes: options.yes, signal: interrupted });
    agreed = plan.build;
  }
  const deployment = await options.start(api, agreed);
  const waits = deployment.status === 'WAITING';
  const { server } = await session.access();
  const address = consoleAddress(server, ['deployments', deployment.id]);
  if (!options.wait) {
    session.print(deployment, () =>
      waits
        ? `Deployment ${deployment.id} of ${deployment.buildId} waits to begin.\n`
        : `Deployment ${deployment.id} puts ${deployment.buildId} on the machines of ${options.project}.\n`,
    );
    session.suggest(`follow it: starling deployment ${deployment.id} --wait   console: ${address}`);
    return;
  }
  session.say(
    `Deployment ${deployment.id} puts ${deployment.buildId} on the machines of ${options.project}   ${address}`,
  );
  await waitForDeployment(session, { deployment: deployment.id, timeoutMs: options.timeoutMs }, (ended) =>
    printDeployment(session, ended),
  );
  session.suggest(`see what runs where: starling status ${options.project}`);
}

function reportDryRun(session: Session, { project }: StartOptions, plan: DeploymentPlan): void {
  session.print({ dryRun: true, ...plan }, () => `${describePlan(plan, session.clock.now(), session.outInk)}\n`);
  if (plan.refusedBecause) {
    throw new CommandFailure({
      message: `Nothing was changed, and it would be refused: ${plan.refusedBecause}.`,
      fix: `See its builds with: starling builds ${project}`,
      exitCode: exitCodes.precondition,
    });
  }
  session.suggest('Nothing was changed; without --dry-run it would be.');
}
