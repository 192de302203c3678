import { Command } from 'commander';
import { yesOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { confirm } from '../terminal/confirm.ts';
import { counted } from '../terminal/wording.ts';

/** `starling machine decommission`: takes machines out of the fleet. */
export function machineCommand(open: OpenSession): Command {
  const machine = new Command('machine').description('takes machines out of the fleet');

  machine
    .command('decommission')
    .description('shut their agents out and no longer list or count them; what runs there goes on running')
    .argument('<names...>', 'list them with: starling machines')
    .option('--reason <text>', 'why, for the audit log', '')
    .addOption(yesOption())
    .action(async (names: string[], options: { reason: string; yes?: boolean }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const which = names.length === 1 ? names[0]! : counted(names.length, 'machine');
      await confirm(`Take ${which} out of the fleet? An agent comes back with a new identity only.`, {
        terminal: session.terminal,
        yes: options.yes === true,
        signal: session.interrupted,
      });
      const done = await api.machines.decommission.mutate({ ids: names, reason: options.reason });
      const { decommissioned } = done;
      session.print(done, () =>
        decommissioned.length === 0
          ? 'They had been taken out already.\n'
          : `${decommissioned.join(', ')} ${decommissioned.length === 1 ? 'is' : 'are'} no longer of the fleet.\n`,
      );
    });
  return machine;
}
