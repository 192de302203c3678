import { Command } from 'commander';
import { deploymentArgument, limitOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling checks`: what was measured of a deployment. */
export function checksCommand(open: OpenSession): Command {
  return new Command('checks')
    .description('what the checks of a deployment measured before its waves and while they baked, newest first')
    .addArgument(deploymentArgument())
    .addOption(limitOption(50, 500))
    .action(async (id: number, { limit }: { limit: number }, command: Command) => {
      const session = open(command);
      const rows = await (await session.api()).deployments.measurements.query({ id, limit });
      session.print(rows, () =>
        formatTable(
          [
            { title: 'BEGUN' },
            { title: 'WAVE', align: 'right' },
            { title: 'WHEN' },
            { title: 'CHECK' },
            { title: 'VERDICT' },
            { title: 'DETAIL' },
          ],
          rows.map((row) => [
            timeAgo(row.beganAt, session.clock.now()),
            String(row.wave),
            row.stage,
            oneLine(row.check),
            row.verdict ?? 'measuring',
            oneLine(row.detail),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
    });
}
