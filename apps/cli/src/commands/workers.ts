import { Command } from 'commander';
import type { Api } from '../client.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { type Ink, labelsText, marked, type SymbolName, shortSha, timeAgo, tookText } from '../terminal/wording.ts';

type Worker = Awaited<ReturnType<Api['workers']['list']['query']>>[number];

const symbolOf: Record<Worker['state'], SymbolName> = {
  IDLE: 'good',
  BUSY: 'busy',
  DRAINING: 'waiting',
  REVOKED: 'warn',
  SILENT: 'warn',
  STOPPED: 'stopped',
};

/** `starling workers`: who is there to build, and what each does. */
export function workersCommand(open: OpenSession): Command {
  return new Command('workers')
    .description('the workers: which are alive, what they can do and what they build now')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const workers = await (await session.api()).workers.list.query();
      const { outInk: ink, clock, terminal } = session;
      const nowMs = clock.now();
      session.print(workers, () =>
        formatTable(
          [
            { title: 'WORKER' },
            { title: 'STATE' },
            { title: 'LABELS' },
            { title: 'SEEN' },
            { title: 'BUILDS' },
            { title: 'WHERE' },
          ],
          workers.map((worker) => [
            worker.name,
            stateText(worker, ink, nowMs),
            oneLine(labelsText(worker.labels)),
            timeAgo(worker.lastSeenAt, nowMs),
            buildsText(worker, nowMs),
            oneLine(worker.place),
          ]),
          { columns: terminal.out.columns, paint: ink.paint },
        ),
      );
      if (!workers.some(({ state }) => state === 'IDLE' || state === 'BUSY'))
        session.suggest('No worker takes jobs. How to start one: docs/how-to/scale-workers.md');
    });
}

function stateText({ state, drainedBy, drainingSince }: Worker, ink: Ink, nowMs: number): string {
  if (!drainingSince || state === 'STOPPED') return marked(symbolOf[state], state, ink);
  const why = drainedBy === null ? 'to end' : `by ${oneLine(drainedBy)} ${timeAgo(drainingSince, nowMs)}`;
  return marked(symbolOf[state], state === 'DRAINING' ? `${state} ${why}` : `${state}, drained ${why}`, ink);
}

function buildsText({ job }: Worker, nowMs: number): string {
  if (!job) return '';
  const stage = job.stage ? `, ${job.stage}` : '';
  return `job ${job.id}: ${job.project} ${shortSha(job.commitSha)}${stage}, for ${tookText(job.startedAt, null, nowMs)}`;
}
