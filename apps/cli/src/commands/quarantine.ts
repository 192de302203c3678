import { Command } from 'commander';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling quarantine`: builds that somebody rolled back from. */
export function quarantineCommand(open: OpenSession): Command {
  const quarantine = new Command('quarantine').description(
    'builds that are not deployed again until somebody lifts it',
  );

  quarantine
    .command('list', { isDefault: true })
    .description('which builds, since when and why')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const rows = await (await session.api()).quarantines.list.query();
      session.print(rows, () =>
        formatTable(
          [{ title: 'BUILD' }, { title: 'SINCE' }, { title: 'BY' }, { title: 'REASON' }],
          rows.map((row) => [
            row.buildId,
            timeAgo(row.createdAt, session.clock.now()),
            oneLine(row.createdBy),
            oneLine(row.reason),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
    });

  quarantine
    .command('lift')
    .description('let a build be deployed again')
    .argument('<build>', "a build's id")
    .requiredOption('--reason <text>', 'why it may run again')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const session = open(command);
      const lifted = await (await session.api()).quarantines.lift.mutate({ id, reason });
      session.print(lifted, () => `${id} may be deployed again.\n`);
    });
  return quarantine;
}
