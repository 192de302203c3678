import { Command, InvalidArgumentError, Option } from 'commander';
import { exportAudit } from '../audit/export.ts';
import { describeVerification, verifyFile } from '../audit/verify-file.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { limitOption, parsePositive, parseProject, periodOf, periodOptions, type TimeOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';

interface Filter {
  project?: string;
  actor?: string;
  action?: string;
  from?: TimeOption;
  to?: TimeOption;
}

/** `starling audit`: every change and who made it; exported, and proved to be whole. */
export function auditCommand(open: OpenSession): Command {
  const audit = new Command('audit').description('every change that was made, and by whom');
  addList(audit, open);
  addExport(audit, open);
  addVerify(audit, open);
  return audit;
}

function addFilters(command: Command): Command {
  const [from, to] = periodOptions('made');
  return command
    .addOption(new Option('--project <project>', 'only changes of this project').argParser(parseProject))
    .option('--actor <name>', 'only what this person, process or webhook did')
    .option('--action <action>', 'only this, for example deployment.start')
    .addOption(from)
    .addOption(to);
}

function addList(audit: Command, open: OpenSession) {
  addFilters(audit.command('list', { isDefault: true }))
    .description('what was changed, newest first')
    .addOption(
      new Option('--before <row>', 'only older ones: the last number of the page before').argParser(parsePositive),
    )
    .addOption(limitOption(50, 500))
    .action(async (options: Filter & { before?: number; limit: number }, command: Command) => {
      const session = open(command);
      const { from: _from, to: _to, ...filter } = options;
      const period = periodOf(options, session.clock.now());
      const rows = await (await session.api()).audit.list.query({ ...filter, ...period });
      session.print(rows, () =>
        formatTable(
          [
            { title: 'ROW', align: 'right' },
            { title: 'WHEN (UTC)' },
            { title: 'WHO' },
            { title: 'WHAT' },
            { title: 'PROJECT' },
            { title: 'TO WHAT' },
            { title: 'DETAILS' },
          ],
          rows.map((row) => [
            String(row.id),
            row.at.slice(0, 19).replace('T', ' '),
            oneLine(row.actor),
            row.action,
            row.project ?? '',
            oneLine(row.target),
            oneLine(detailsText(row.details)),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
      const last = rows.at(-1);
      if (last && rows.length === options.limit) session.suggest(`older ones: the same with --before ${last.id}`);
    });
}

const detailsText = (details: Record<string, unknown>): string =>
  Object.entries(details)
    .filter(([, value]) => value !== null && value !== '' && value !== false)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');

function addExport(audit: Command, open: OpenSession) {
  addFilters(audit.command('export'))
    .description('the log as one JSON object a line on stdout, oldest first')
    .action(async (options: Filter, command: Command) => {
      const session = open(command);
      const { from: _from, to: _to, ...filter } = options;
      const rows = await exportAudit(session, { ...filter, ...periodOf(options, session.clock.now()) });
      session.say(`${rows} rows`);
    });
}

function addVerify(audit: Command, open: OpenSession) {
  audit
    .command('verify')
    .description('recompute the chain of hashes; ends with 1 when a row was changed, removed or put in')
    .option(
      '--file <exported.ndjson>',
      'an exported file ("-" is stdin) instead of the log of the server; needs no server',
    )
    .option('--partial', 'with --file: it was exported with filters, so rows may be missing in between')
    .addOption(
      new Option('--known <row:hash>', 'a row that must be there, as an earlier run printed it').argParser(parseKnown),
    )
    .action(
      async (options: { file?: string; partial?: true; known?: { id: number; hash: string } }, command: Command) => {
        const session = open(command);
        const { file, known } = options;
        const found =
          file === undefined
            ? await (await session.api()).audit.verify.query(known ? { known } : {})
            : await verifyFile(file, { isPartial: options.partial === true, known });
        session.print(found, () => describeVerification(found));
        if (found.defect) {
          throw new CommandFailure({
            message: `The audit log is not whole: ${found.defect.what}.`,
            fix: 'Compare it with an export from before; docs/how-to/history-and-audit.md says how.',
            exitCode: exitCodes.failed,
          });
        }
        if (found.end.id > 0)
          session.suggest(`keep this elsewhere, to prove it later: --known ${found.end.id}:${found.end.hash}`);
      },
    );
}

function parseKnown(text: string): { id: number; hash: string } {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text);
  if (!match) throw new InvalidArgumentError('It is a number, a colon and 64 hexadecimal digits.');
  return { id: Number(match[1]), hash: match[2]! };
}
