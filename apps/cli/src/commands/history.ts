import { deploymentKinds, deploymentStatuses } from '@starling/shared/words.ts';
import { Command, Option } from 'commander';
import {
  limitOption,
  parsePositive,
  parseProject,
  periodOf,
  periodOptions,
  type TimeOption,
  wordsOption,
} from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { statusText, timeAgo } from '../terminal/wording.ts';
import { durationText } from '../views/trends-view.ts';

interface HistoryOptions {
  project?: string;
  build?: string;
  person?: string;
  kind?: (typeof deploymentKinds)[number];
  status?: (typeof deploymentStatuses)[number];
  from?: TimeOption;
  to?: TimeOption;
  before?: number;
  limit: number;
}

/** `starling history`: who deployed what, when, why and how it ended, found by any of these. */
export function historyCommand(open: OpenSession): Command {
  const [from, to] = periodOptions('asked for');
  return new Command('history')
    .description('who deployed what, when, why, and how it ended')
    .addOption(new Option('--project <project>', 'only of this project').argParser(parseProject))
    .option('--build <build>', "only of this build: its id, or 4 or more digits of its commit's SHA")
    .option('--person <name>', 'only what this person asked for')
    .addOption(wordsOption('--kind <kind>', 'only of this kind', deploymentKinds))
    .addOption(wordsOption('--status <status>', 'only those that are', deploymentStatuses))
    .addOption(from)
    .addOption(to)
    .addOption(
      new Option('--before <deployment>', 'only older ones: the last number of the page before').argParser(
        parsePositive,
      ),
    )
    .addOption(limitOption(20, 200))
    .action(async (options: HistoryOptions, command: Command) => {
      const session = open(command);
      const nowMs = session.clock.now();
      const { from: _from, to: _to, ...filter } = options;
      const rows = await (await session.api()).history.list.query({ ...filter, ...periodOf(options, nowMs) });
      const { outInk: ink, terminal } = session;
      session.print(rows, () =>
        formatTable(
          [
            { title: 'ID', align: 'right' },
            { title: 'STATUS' },
            { title: 'KIND' },
            { title: 'BUILD' },
            { title: 'ASKED FOR' },
            { title: 'TOOK', align: 'right' },
            { title: 'COMMIT' },
            { title: 'WHY AND HOW IT ENDED' },
          ],
          rows.map((row) => [
            String(row.id),
            statusText(row.status, ink),
            row.hotfix ? `${row.kind} (hotfix)` : row.kind,
            row.buildId,
            `${timeAgo(row.createdAt, nowMs)} by ${oneLine(row.requestedBy)}`,
            durationText(row.tookMs),
            oneLine(row.commitSubject),
            [oneLine(row.reason), oneLine(row.outcome ?? '')].filter(Boolean).join(' · '),
          ]),
          { columns: terminal.out.columns, paint: ink.paint },
        ),
      );
      const last = rows.at(-1);
      if (last && rows.length === options.limit) session.suggest(`older ones: the same with --before ${last.id}`);
    });
}
