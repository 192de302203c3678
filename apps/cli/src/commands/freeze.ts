import { StarlingError } from '@starling/shared/errors.ts';
import { type WeeklyWindow, weeklyWindow } from '@starling/shared/freezes.ts';
import { Command, Option } from 'commander';
import { parsePositive, parseProject } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';

/** `starling freeze`: times in which nothing is deployed. */
export function freezeCommand(open: OpenSession): Command {
  const freeze = new Command('freeze').description('times in which nothing but hotfixes and rollbacks begins');

  freeze
    .command('list', { isDefault: true })
    .description('those that hold or will hold')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const rows = await (await session.api()).freezes.list.query();
      const day = (text: string | null) => text?.slice(0, 16).replace('T', ' ') ?? 'it is lifted';
      session.print(rows, () =>
        formatTable(
          [
            { title: 'FREEZE', align: 'right' },
            { title: 'PROJECT' },
            { title: 'NOW' },
            { title: 'FROM (UTC)' },
            { title: 'UNTIL' },
            { title: 'WEEKLY' },
            { title: 'REASON' },
          ],
          rows.map((row) => [
            String(row.id),
            row.project ?? 'all',
            row.holds ? 'holds' : 'open',
            day(row.startsAt),
            day(row.endsAt),
            row.weekly ? `${row.weekly.days.join(',')} ${row.weekly.from}-${row.weekly.to} ${row.weekly.timeZone}` : '',
            oneLine(row.reason),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
    });

  freeze
    .command('add')
    .description('let nothing begin: now, at a time, or every week')
    .argument('<reason>', 'shown to whoever has to wait')
    .addOption(new Option('--project <project>', 'this one only (default: all)').argParser(parseProject))
    .option('--from <time>', 'when it begins, for example 2026-12-20T00:00:00Z (default: now)')
    .option('--until <time>', 'when it ends (default: when it is lifted)')
    .option('--weekly <window>', 'only these hours, for example "fri,sat 16:00-08:00 Europe/Berlin"')
    .action(
      async (
        reason: string,
        options: { project?: string; from?: string; until?: string; weekly?: string },
        command: Command,
      ) => {
        const session = open(command);
        const added = await (await session.api()).freezes.add.mutate({
          reason,
          ...(options.project && { project: options.project }),
          ...(options.from && { startsAt: options.from }),
          ...(options.until && { endsAt: options.until }),
          ...(options.weekly && { weekly: parseWeekly(options.weekly) }),
        });
        session.print(added, () => `Freeze ${added.id} is set for ${added.project ?? 'all projects'}.\n`);
        session.suggest(`end it early: starling freeze lift ${added.id}`);
      },
    );

  freeze
    .command('lift')
    .description('end a freeze before its time')
    .argument('<freeze>', 'its number', parsePositive)
    .action(async (id: number, _options: object, command: Command) => {
      const session = open(command);
      const done = await (await session.api()).freezes.lift.mutate({ id });
      session.print(done, () => (done.lifted ? `Freeze ${id} is lifted.\n` : `Freeze ${id} held no more.\n`));
    });
  return freeze;
}

function parseWeekly(text: string): WeeklyWindow {
  const [days = '', hours = '', timeZone = 'UTC'] = text.trim().split(/\s+/);
  const [from = '', to = ''] = hours.split('-');
  const parsed = weeklyWindow.safeParse({ days: days.toLowerCase().split(','), from, to, timeZone });
  if (parsed.success) return parsed.data;
  throw new StarlingError('INVALID_INPUT', `"${text}" is no weekly window: ${parsed.error.issues[0]?.message}`, {
    field: 'weekly',
    fix: 'Write it as "fri,sat 16:00-08:00 Europe/Berlin".',
  });
}
