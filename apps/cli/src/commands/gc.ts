import { formatBytes } from '@starling/shared/durations.ts';
import { Command } from 'commander';
import { yesOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { confirm } from '../terminal/confirm.ts';
import { formatTable } from '../terminal/table.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling gc`: takes away what no policy keeps, now instead of at night. */
export function gcCommand(open: OpenSession): Command {
  return new Command('gc')
    .description('take away builds, logs and rows that no policy keeps, without waiting for the night')
    .option('--dry-run', 'only show what would go')
    .addOption(yesOption())
    .action(async (options: { dryRun?: true; yes?: boolean }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const plan = await api.retention.plan.query();
      const nowMs = session.clock.now();
      const planText = () => {
        const builds = formatTable(
          [{ title: 'BUILD' }, { title: 'BUILT' }, { title: 'BYTES', align: 'right' }],
          plan.builds.map((build) => [build.id, timeAgo(build.createdAt, nowMs), formatBytes(build.bytes)]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        );
        const rows = plan.rows.map(({ name, rows: count }) => `${count} rows: ${name}\n`).join('');
        const unfinished = plan.unfinished > 0 ? `${plan.unfinished} expired builds still have bytes.\n` : '';
        if (plan.builds.length === 0) return `Every build is kept.\n${unfinished}${rows}`;
        return `${builds}${plan.builds.length} builds expire, ${formatBytes(plan.bytesPerStore)} in each store.\n${unfinished}${rows}`;
      };
      if (options.dryRun) {
        session.print(plan, planText);
        return;
      }
      if (session.terminal.canAsk && options.yes !== true) session.say(planText().trimEnd());
      await confirm('Take this away? It cannot be undone.', {
        terminal: session.terminal,
        yes: options.yes === true,
        signal: session.interrupted,
      });
      const total = { expired: 0, swept: 0, freedBytes: 0, rows: 0 };
      for (;;) {
        const { expired, swept, rows, left } = await api.retention.sweep.mutate();
        total.expired += expired.length;
        total.swept += swept.length;
        total.freedBytes += swept.reduce((sum, build) => sum + build.freedBytes, 0);
        total.rows += rows.reduce((sum, kind) => sum + kind.rows, 0);
        if (left === 0) break;
        session.say(`${total.swept} builds swept, ${left} left`);
      }
      session.print(
        total,
        () => `${total.swept} builds swept, ${formatBytes(total.freedBytes)} freed, ${total.rows} rows removed.\n`,
      );
    });
}
