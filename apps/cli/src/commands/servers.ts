import { Command } from 'commander';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling servers`: which control server leads which loop. */
export function serversCommand(open: OpenSession): Command {
  return new Command('servers')
    .description('which control server leads which of the loops, and since when')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const loops = await (await session.api()).servers.loops.query();
      const nowMs = session.clock.now();
      session.print(loops, () =>
        formatTable(
          [{ title: 'LOOP' }, { title: 'LED BY' }, { title: 'SINCE' }, { title: 'HEARD OF' }],
          loops.map(({ loop, leader, since, renewedAt }) => [
            loop,
            leader,
            timeAgo(since, nowMs),
            timeAgo(renewedAt, nowMs),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
    });
}
