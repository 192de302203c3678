import { Command, Option } from 'commander';
import { abortCommand } from './commands/abort.ts';
import { accountsCommand } from './commands/accounts.ts';
import { alertsCommand } from './commands/alerts.ts';
import { approvalsCommand, approveCommand, rejectCommand } from './commands/approvals.ts';
import { auditCommand } from './commands/audit.ts';
import { buildCommand } from './commands/build.ts';
import { buildsCommand } from './commands/builds.ts';
import { cancelCommand } from './commands/cancel.ts';
import { checksCommand } from './commands/checks.ts';
import { completionCommand } from './commands/completion.ts';
import { deployCommand } from './commands/deploy.ts';
import { deploymentCommand } from './commands/deployment.ts';
import { deploymentsCommand } from './commands/deployments.ts';
import { diffCommand } from './commands/diff.ts';
import { doctorCommand } from './commands/doctor.ts';
import { enrolCommand } from './commands/enrol.ts';
import { freezeCommand } from './commands/freeze.ts';
import { gcCommand } from './commands/gc.ts';
import { historyCommand } from './commands/history.ts';
import { identitiesCommand } from './commands/identities.ts';
import { identityCommand } from './commands/identity.ts';
import { jobsCommand } from './commands/jobs.ts';
import { startTheLineCommand, stopTheLineCommand } from './commands/line.ts';
import { loginCommand, logoutCommand } from './commands/login.ts';
import { logsCommand } from './commands/logs.ts';
import { machineCommand } from './commands/machine.ts';
import { machinesCommand } from './commands/machines.ts';
import { openCommand } from './commands/open.ts';
import { pauseCommand } from './commands/pause.ts';
import { prioritiseCommand } from './commands/prioritise.ts';
import { projectCommand } from './commands/project.ts';
import { promoteCommand } from './commands/promote.ts';
import { quarantineCommand } from './commands/quarantine.ts';
import { queueCommand } from './commands/queue.ts';
import { regionsCommand } from './commands/regions.ts';
import { resumeCommand } from './commands/resume.ts';
import { retryCommand } from './commands/retry.ts';
import { rollbackCommand } from './commands/rollback.ts';
import { serversCommand } from './commands/servers.ts';
import { statusCommand } from './commands/status.ts';
import { swarmCommand } from './commands/swarm.ts';
import { tasksCommand } from './commands/tasks.ts';
import { tokensCommand } from './commands/tokens.ts';
import { trendsCommand } from './commands/trends.ts';
import { undoRollbackCommand } from './commands/undo-rollback.ts';
import { versionCommand } from './commands/version.ts';
import { watchCommand } from './commands/watch.ts';
import { webhookCommand } from './commands/webhook.ts';
import { whoamiCommand } from './commands/whoami.ts';
import { workerCommand } from './commands/worker.ts';
import { workersCommand } from './commands/workers.ts';
import { exitCodeMeanings } from './exit-codes.ts';
import type { OpenSession } from './session.ts';
import { cliVersion } from './version.ts';

/** The whole command line, in the order of the way of a commit. It throws CommanderError instead of exiting. */
export function buildProgram(open: OpenSession): Command {
  const program = new Command('starling')
    .description('From a commit to the binary running on every machine of a fleet, and back.')
    .version(cliVersion, '-V, --version', 'print the version of this CLI')
    .addOption(new Option('--json', 'write data to stdout as JSON (watch and logs: one object a line)'))
    .addOption(
      new Option('--server <url>', 'the server to talk to (or STARLING_SERVER; default: the one on this machine)'),
    )
    .addOption(new Option('--token-file <path>', 'a file that holds the token (or the token itself in STARLING_TOKEN)'))
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      `\nExit codes:\n${exitCodeMeanings.map(([code, text]) => `  ${String(code).padEnd(5)}${text}\n`).join('')}`,
    );

  program.commandsGroup('From a commit to the machines:');
  program.addCommand(projectCommand(open));
  program.addCommand(buildCommand(open));
  program.addCommand(buildsCommand(open));
  program.addCommand(jobsCommand(open));
  program.addCommand(logsCommand(open));
  program.addCommand(cancelCommand(open));
  program.addCommand(prioritiseCommand(open));
  program.addCommand(retryCommand(open));
  program.addCommand(webhookCommand(open));
  program.addCommand(diffCommand(open));
  program.addCommand(deployCommand(open));
  program.addCommand(rollbackCommand(open));
  program.addCommand(undoRollbackCommand(open));
  program.addCommand(quarantineCommand(open));
  program.addCommand(checksCommand(open));
  program.addCommand(pauseCommand(open));
  program.addCommand(resumeCommand(open));
  program.addCommand(promoteCommand(open));
  program.addCommand(abortCommand(open));
  program.addCommand(stopTheLineCommand(open));
  program.addCommand(startTheLineCommand(open));
  program.addCommand(approvalsCommand(open));
  program.addCommand(approveCommand(open));
  program.addCommand(rejectCommand(open));
  program.addCommand(freezeCommand(open));

  program.commandsGroup('What runs where:');
  program.addCommand(statusCommand(open));
  program.addCommand(watchCommand(open));
  program.addCommand(machinesCommand(open));
  program.addCommand(machineCommand(open));
  program.addCommand(deploymentsCommand(open));
  program.addCommand(deploymentCommand(open));
  program.addCommand(swarmCommand(open));
  program.addCommand(tasksCommand(open));
  program.addCommand(historyCommand(open));
  program.addCommand(trendsCommand(open));

  program.commandsGroup('Running Starling:');
  program.addCommand(queueCommand(open));
  program.addCommand(workersCommand(open));
  program.addCommand(workerCommand(open));
  program.addCommand(enrolCommand(open));
  program.addCommand(identitiesCommand(open));
  program.addCommand(identityCommand(open));
  program.addCommand(accountsCommand(open));
  program.addCommand(alertsCommand(open));
  program.addCommand(auditCommand(open));
  program.addCommand(regionsCommand(open));
  program.addCommand(serversCommand(open));
  program.addCommand(gcCommand(open));

  program.commandsGroup('This CLI:');
  program.addCommand(doctorCommand(open));
  program.addCommand(loginCommand(open));
  program.addCommand(logoutCommand(open));
  program.addCommand(tokensCommand(open));
  program.addCommand(openCommand(open));
  program.addCommand(whoamiCommand(open));
  program.addCommand(completionCommand());
  program.addCommand(versionCommand(open));

  program.addHelpCommand(
    new Command('help').argument('[command]').description('what a command takes').helpGroup('This CLI:'),
  );

  inEveryCommand(program, (command) =>
    command
      .exitOverride()
      .showHelpAfterError(`(run "${pathOf(command)} --help" for what it takes)`)
      .configureHelp({ showGlobalOptions: true }),
  );
  return program;
}

/** `starling project add`, whatever is above the command. */
export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

export function inEveryCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) inEveryCommand(child, visit);
}
