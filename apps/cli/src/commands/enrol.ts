import { formatDuration, parseDuration } from '@starling/shared/durations.ts';
import { mostUses } from '@starling/shared/enrolment.ts';
import type { IdentityKind } from '@starling/shared/permissions.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parsePositive } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { counted, timeAgo } from '../terminal/wording.ts';

const hourMs = 3_600_000;
const longestMs = 30 * 24 * hourMs;

interface InviteOptions {
  region?: string;
  uses: number;
  expires: number;
}

/** `starling enrol`: tokens that let new hubs, workers and agents in. */
export function enrolCommand(open: OpenSession): Command {
  const enrol = new Command('enrol').description('tokens that let new hubs, workers and agents in, each shown once');

  for (const [kind, what] of [
    ['hub', 'the hub of a region'],
    ['worker', 'a worker'],
    ['agent', 'the agent of a machine'],
  ] as const) {
    const command = enrol.command(kind).description(`make a token for ${what} and print it, this once`);
    if (kind !== 'worker') command.requiredOption('--region <region>', 'where it is; the token lets nobody else in');
    command
      .addOption(usesOption())
      .addOption(expiresOption())
      .action((options: InviteOptions, self: Command) => invite(open, kind, options, self));
  }

  enrol
    .command('list')
    .description('the tokens that still let somebody in')
    .option('--all', 'those that are used up, expired or withdrawn too')
    .action(async (options: { all?: true }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const listed = await api.identities.invitations.query({ all: options.all === true });
      const nowMs = session.clock.now();
      session.print(listed, () =>
        formatTable(
          [
            { title: 'TOKEN', align: 'right' },
            { title: 'FOR' },
            { title: 'REGION' },
            { title: 'USES LEFT', align: 'right' },
            { title: 'ENDS' },
            { title: 'MADE' },
          ],
          listed.map((row) => [
            String(row.id),
            row.kind,
            row.region ?? '',
            String(row.usesLeft),
            endsText(Date.parse(row.expiresAt) - nowMs),
            `by ${oneLine(row.createdBy)}, ${timeAgo(row.createdAt, nowMs)}`,
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
    });

  enrol
    .command('withdraw')
    .description('take back what is left of a token; whoever came in with it stays')
    .argument('<token>', 'its number', parsePositive)
    .action(async (id: number, _options: object, command: Command) => {
      const session = open(command);
      const done = await (await session.api()).identities.withdraw.mutate({ id });
      session.print(done, () =>
        done.withdrawn ? `Token ${id} lets nobody in any more.\n` : `Token ${id} let nobody in already.\n`,
      );
    });

  return enrol;
}

async function invite(open: OpenSession, kind: IdentityKind, options: InviteOptions, command: Command): Promise<void> {
  const session = open(command);
  const { region, uses, expires } = options;
  const made = await (await session.api()).identities.invite.mutate({
    kind,
    uses,
    expiresInHours: expires / hourMs,
    ...(region !== undefined && { region }),
  });
  session.print(made, () => `${made.token}\n`);
  session.suggest(
    `It is not shown again. It lets ${counted(uses, kind)} in within ${formatDuration(expires)}: put it into a file, and name that in STARLING_ENROLMENT_TOKEN_FILE.`,
  );
}

function usesOption(): Option {
  return new Option('--uses <n>', `how many it lets in, at most ${mostUses}`)
    .argParser((text) => {
      const uses = parsePositive(text);
      if (uses > mostUses) throw new InvalidArgumentError(`It is at most ${mostUses}.`);
      return uses;
    })
    .default(1);
}

function expiresOption(): Option {
  return new Option('--expires <duration>', 'for how long, at most 30d')
    .argParser((text) => {
      const milliseconds = parseDuration(text);
      if (milliseconds === undefined) throw new InvalidArgumentError('It is a duration such as 30m, 24h or 7d.');
      if (milliseconds < 1 || milliseconds > longestMs) throw new InvalidArgumentError('It is at most 30d.');
      return milliseconds;
    })
    .default(24 * hourMs, '24h');
}

const endsText = (inMs: number): string => (inMs > 0 ? `in ${formatDuration(inMs)}` : 'expired');
