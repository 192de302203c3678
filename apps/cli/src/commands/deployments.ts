import { Command } from 'commander';
import { limitOption, projectArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { statusText, timeAgo, tookText } from '../terminal/wording.ts';

const stillness = ({ status, pausedBy }: { status: string; pausedBy?: string | null }) =>
  status !== 'RUNNING' || !pausedBy ? '' : pausedBy === 'starling' ? ', halted' : ', paused';

/** `starling deployments`: who put what where, when and why. */
export function deploymentsCommand(open: OpenSession): Command {
  return new Command('deployments')
    .description('the history: what was put on the machines, by whom, why, and how it ended')
    .addArgument(projectArgument('[project]'))
    .addOption(limitOption(20, 200))
    .action(async (project: string | undefined, options: { limit: number }, command: Command) => {
      const session = open(command);
      const deployments = await (await session.api()).deployments.list.query({
        limit: options.limit,
        ...(project !== undefined && { project }),
      });
      const { outInk: ink, clock, terminal } = session;
      const nowMs = clock.now();
      session.print(deployments, () =>
        formatTable(
          [
            { title: 'ID', align: 'right' },
            { title: 'STATUS' },
            { title: 'KIND' },
            { title: 'BUILD' },
            { title: 'BEGUN' },
            { title: 'TOOK', align: 'right' },
            { title: 'BY' },
            { title: 'OUTCOME' },
          ],
          deployments.map((row) => [
            String(row.id),
            `${statusText(row.status, ink)}${stillness(row)}`,
            row.kind,
            row.buildId,
            timeAgo(row.createdAt, nowMs),
            tookText(row.createdAt, row.finishedAt, nowMs),
            oneLine(row.requestedBy),
            [oneLine(row.reason), oneLine(row.outcome ?? '')].filter(Boolean).join(' · '),
          ]),
          { columns: terminal.out.columns, paint: ink.paint },
        ),
      );
      const running = deployments.find((row) => row.status === 'RUNNING');
      if (running) session.suggest(`follow it: starling deployment ${running.id} --wait`);
    });
}
