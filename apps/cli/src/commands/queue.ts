import { formatDuration } from '@starling/shared/durations.ts';
import { Command } from 'commander';
import type { Api } from '../client.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { counted, labelsText } from '../terminal/wording.ts';

type Status = Awaited<ReturnType<Api['queue']['status']['query']>>;
type Pool = Omit<Status['byLabels'][number], 'labels' | 'unclaimableBecause'>;

/** `starling queue`: what waits for a worker, and how many workers there should be. */
export function queueCommand(open: OpenSession): Command {
  return new Command('queue')
    .description('what waits for a worker, why, and how many workers there should be')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const status = await (await session.api()).queue.status.query();
      const { outInk: ink, terminal } = session;
      session.print(status, () => {
        const table = formatTable(
          [
            { title: 'ASKS FOR' },
            { title: 'WAIT', align: 'right' },
            { title: 'HELD BACK', align: 'right' },
            { title: 'RUN', align: 'right' },
            { title: 'LONGEST WAIT', align: 'right' },
            { title: 'A BUILD TAKES', align: 'right' },
            { title: 'WORKERS', align: 'right' },
            { title: 'WANTED', align: 'right' },
            { title: 'WHY NOT' },
          ],
          [
            ...status.byLabels.map((pool) => [
              oneLine(labelsText(pool.labels)) || 'nothing',
              ...cells(pool),
              oneLine(pool.unclaimableBecause ?? ''),
            ]),
            ['in all', ...cells(status), ''],
          ],
          { columns: terminal.out.columns, paint: ink.paint },
        );
        const { workersAlive, workersBusy, workersDraining, workersWanted, targetWaitMs } = status;
        return `${table}\n${counted(workersAlive, 'worker')} alive, ${workersBusy} busy, ${workersDraining} draining; ${workersWanted} wanted, so that no job waits longer than ${formatDuration(targetWaitMs)}.\n`;
      });
      if (status.unclaimable > 0)
        session.suggest(`No worker will take ${counted(status.unclaimable, 'job')}. The workers: starling workers`);
    });
}

const cells = (pool: Pool): string[] => [
  String(pool.queued),
  String(pool.heldBack),
  String(pool.running),
  pool.oldestWaitMs === null ? '' : formatDuration(pool.oldestWaitMs),
  pool.meanBuildMs === null ? '' : formatDuration(pool.meanBuildMs),
  String(pool.workersAlive),
  String(pool.workersWanted),
];
