import { Command } from 'commander';
import { projectArgument } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling stop-the-line`: no deployment begins or goes on, of a project or of any. */
export function stopTheLineCommand(open: OpenSession): Command {
  return new Command('stop-the-line')
    .description('let no deployment begin or go on, of a project or of any; rollbacks and hotfixes still do')
    .addArgument(projectArgument('[project]'))
    .requiredOption('--reason <text>', 'why, shown to whoever has to wait')
    .action(async (project: string | undefined, { reason }: { reason: string }, command: Command) => {
      const session = open(command);
      const stopped = await (await session.api()).line.stop.mutate({ reason, ...(project && { project }) });
      const of = project ?? 'all projects';
      session.print(stopped, () =>
        stopped.changed ? `The line is stopped for ${of}.\n` : `The line was stopped for ${of} already.\n`,
      );
      session.suggest(`start it again: starling start-the-line${project ? ` ${project}` : ''}`);
    });
}

/** `starling start-the-line`: what stood still goes on. */
export function startTheLineCommand(open: OpenSession): Command {
  return new Command('start-the-line')
    .description('let deployments begin and go on again; with --list, only say where the line is stopped')
    .addArgument(projectArgument('[project]'))
    .option('--list', 'change nothing: where it is stopped, by whom and why')
    .action(async (project: string | undefined, options: { list?: boolean }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      if (options.list) {
        const rows = await api.line.list.query();
        session.print(rows, () =>
          formatTable(
            [{ title: 'PROJECT' }, { title: 'STOPPED' }, { title: 'BY' }, { title: 'REASON' }],
            rows.map((row) => [
              row.project ?? 'all',
              timeAgo(row.stoppedAt, session.clock.now()),
              oneLine(row.stoppedBy),
              oneLine(row.reason),
            ]),
            { columns: session.terminal.out.columns, paint: session.outInk.paint },
          ),
        );
        return;
      }
      const started = await api.line.start.mutate({ ...(project && { project }) });
      const of = project ?? 'all projects';
      session.print(started, () =>
        started.changed ? `The line runs again for ${of}.\n` : `The line was not stopped for ${of}.\n`,
      );
    });
}
