import { readFileSync } from 'node:fs';
import { type AlertKind, alertKinds, alertTarget } from '@starling/shared/alerts.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { Argument, Command, Option } from 'commander';
import { limitOption, parsePositive, parseProject } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling alerts`: what people were told of, and the channels through which they are told. */
export function alertsCommand(open: OpenSession): Command {
  const alerts = new Command('alerts').description('what people are told of, and through which channels');
  addList(alerts, open);
  addChannels(alerts, open);
  addDeliveries(alerts, open);
  return alerts;
}

function addList(alerts: Command, open: OpenSession) {
  alerts
    .command('list', { isDefault: true })
    .description('what people were told of, newest first')
    .addOption(new Option('--project <project>', 'only of this project').argParser(parseProject))
    .addOption(new Option('--kind <kind>', 'only of this kind').choices(alertKinds))
    .option('--open', 'only what is still so')
    .addOption(limitOption(20, 200))
    .action(async (options: { project?: string; kind?: AlertKind; open?: true; limit: number }, command: Command) => {
      const session = open(command);
      const rows = await (await session.api()).alerts.list.query(options);
      const nowMs = session.clock.now();
      session.print(rows, () =>
        formatTable(
          [{ title: 'ALERT', align: 'right' }, { title: 'RAISED' }, { title: 'KIND' }, { title: 'TITLE' }],
          rows.map((row) => [String(row.id), timeAgo(row.raisedAt, nowMs), row.kind, oneLine(row.title)]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
    });
}

const channelArgument = () => new Argument('<channel>', 'its name; list them with: starling alerts channels');

function addChannels(alerts: Command, open: OpenSession) {
  alerts
    .command('channels')
    .description('where alerts are sent')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const rows = await (await session.api()).alerts.channels.query();
      session.print(rows, () =>
        formatTable(
          [{ title: 'CHANNEL' }, { title: 'TYPE' }, { title: 'SENDS TO' }, { title: 'PROJECT' }, { title: 'KINDS' }],
          rows.map((row) => [
            row.name,
            row.disabledAt ? `${row.type} (off)` : row.type,
            oneLine(row.sendsTo),
            row.project ?? 'all',
            row.kinds.length === alertKinds.length ? 'all' : row.kinds.join(' '),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
      if (rows.length === 0) session.suggest('add one: starling alerts set-channel oncall --email oncall@example.com');
    });

  alerts
    .command('set-channel')
    .description('make a channel, or change the one of this name')
    .argument('<channel>', 'lower-case letters, digits and hyphens')
    .option('--webhook-file <path>', 'a file with the address that gets a POST with the alert as JSON')
    .option('--secret-file <path>', 'with --webhook-file: a file with the secret that signs the POST')
    .option('--slack-file <path>', 'a file with the address of an incoming webhook of Slack, or of one shaped like it')
    .option('--email <addresses...>', 'who gets an e-mail')
    .addOption(new Option('--kinds <kinds...>', 'only these alerts').choices(alertKinds))
    .addOption(new Option('--project <project>', 'only of this project').argParser(parseProject))
    .option('--off', 'send nothing through it for now')
    .addHelpText(
      'after',
      '\nAddresses of webhooks and secrets come from files (or "-", stdin): who knows them can post.',
    )
    .action(async (name: string, options: ChannelOptions, command: Command) => {
      const session = open(command);
      const channel = await (await session.api()).alerts.setChannel.mutate({
        name,
        target: targetOf(options),
        enabled: options.off !== true,
        ...(options.kinds && { kinds: options.kinds }),
        ...(options.project && { project: options.project }),
      });
      session.print(channel, () => `Channel ${channel.name} sends to ${oneLine(channel.sendsTo)}.\n`);
      session.suggest(`try it: starling alerts test ${channel.name}`);
    });

  alerts
    .command('remove-channel')
    .description('send nothing through it any more, and forget what was still to be sent')
    .addArgument(channelArgument())
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const answer = await (await session.api()).alerts.removeChannel.mutate({ name });
      session.print(answer, () => (answer.removed ? `Channel ${name} is gone.\n` : `There was no channel ${name}.\n`));
    });

  alerts
    .command('test')
    .description('send a word through a channel now, and say whether it arrived')
    .addArgument(channelArgument())
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const answer = await (await session.api()).alerts.testChannel.mutate({ name });
      if (!answer.arrived) throw new StarlingError('UNAVAILABLE', `It did not arrive: ${answer.error}`);
      session.print(answer, () => 'It arrived.\n');
    });
}

function addDeliveries(alerts: Command, open: OpenSession) {
  alerts
    .command('deliveries')
    .description('what is on its way, arrived, or was given up ("dead") after its attempts')
    .addOption(new Option('--status <status>', 'only those that are').choices(['pending', 'delivered', 'dead']))
    .option('--channel <channel>', 'only through this one')
    .addOption(limitOption(20, 200))
    .action(async (options: { status?: string; channel?: string; limit: number }, command: Command) => {
      const session = open(command);
      const rows = await (await session.api()).alerts.deliveries.query({
        limit: options.limit,
        ...(options.channel && { channel: options.channel }),
        ...(options.status && { status: options.status.toUpperCase() as 'PENDING' | 'DELIVERED' | 'DEAD' }),
      });
      const nowMs = session.clock.now();
      session.print(rows, () =>
        formatTable(
          [
            { title: 'ALERT', align: 'right' },
            { title: 'CHANNEL' },
            { title: 'STATUS' },
            { title: 'TRIED', align: 'right' },
            { title: 'RAISED' },
            { title: 'TITLE, OR WHY NOT' },
          ],
          rows.map((row) => [
            String(row.alert),
            row.channel,
            row.status,
            String(row.attempts),
            timeAgo(row.raisedAt, nowMs),
            oneLine(row.lastError ?? row.title),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
      if (rows.some(({ status }) => status === 'DEAD')) session.suggest('send them again: starling alerts resend');
    });

  alerts
    .command('resend')
    .description('send what was given up once more')
    .option('--channel <channel>', 'only through this one')
    .addOption(new Option('--alert <number>', 'only this alert').argParser(parsePositive))
    .action(async (options: { channel?: string; alert?: number }, command: Command) => {
      const session = open(command);
      const answer = await (await session.api()).alerts.resend.mutate(options);
      session.print(answer, () => `${answer.resent} ${answer.resent === 1 ? 'delivery' : 'deliveries'} sent again.\n`);
    });
}

interface ChannelOptions {
  webhookFile?: string;
  secretFile?: string;
  slackFile?: string;
  email?: string[];
  kinds?: AlertKind[];
  project?: string;
  off?: true;
}

function targetOf({ webhookFile, secretFile, slackFile, email }: ChannelOptions) {
  if ([webhookFile, slackFile, email].filter((way) => way !== undefined).length !== 1) {
    throw new StarlingError('INVALID_INPUT', 'A channel is one of --webhook-file, --slack-file and --email.', {
      field: 'target',
      fix: 'Give exactly one of them.',
    });
  }
  const read = (path: string) => readFileSync(path === '-' ? 0 : path, 'utf8').trim();
  const target = email
    ? { type: 'email', to: email }
    : slackFile
      ? { type: 'slack', url: read(slackFile) }
      : { type: 'webhook', url: read(webhookFile ?? '-'), ...(secretFile && { secret: read(secretFile) }) };
  const parsed = alertTarget.safeParse(target);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new StarlingError('INVALID_INPUT', `${issue?.path.join('.')}: ${issue?.message}`, { field: 'target' });
}
