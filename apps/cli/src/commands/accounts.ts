import { describeGrants } from '@starling/shared/permissions.ts';
import { roles } from '@starling/shared/words.ts';
import { Argument, Command, Option } from 'commander';
import { parseProject } from '../options.ts';
import type { OpenSession, Session } from '../session.ts';
import { askSecret, askSecrets } from '../terminal/secret.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';

type RoleName = (typeof roles)[number];
const nameArgument = () => new Argument('<name>', 'what the person types to sign in');
const roleArgument = () => new Argument('<role>', 'what they may do').choices(roles);
const projectOption = () =>
  new Option('--project <project>', 'in this project only (default: in all)').argParser(parseProject);

/** `starling accounts`: the people who sign in, and what they may do. */
export function accountsCommand(open: OpenSession): Command {
  const accounts = new Command('accounts').description('the people who sign in, and what each may do where');

  accounts
    .command('list', { isDefault: true })
    .description('everybody, with their roles')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const rows = await (await session.api()).accounts.list.query();
      const nowMs = session.clock.now();
      session.print(rows, () =>
        formatTable(
          [{ title: 'NAME' }, { title: 'SIGNS IN WITH' }, { title: 'LAST' }, { title: 'STATE' }, { title: 'ROLES' }],
          rows.map((row) => [
            row.name,
            row.signsInWith,
            row.lastSignInAt ? timeAgo(row.lastSignInAt, nowMs) : 'never',
            row.disabledAt ? 'disabled' : row.lockedUntil && Date.parse(row.lockedUntil) > nowMs ? 'locked' : 'active',
            oneLine(describeGrants(row.grants)),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
    });

  accounts
    .command('add')
    .description('add a person; their password is asked for, or read from stdin')
    .addArgument(nameArgument())
    .option('--email <address>', 'so that they do not approve their own commits')
    .option('--display-name <name>', 'how they are shown')
    .option('--no-password', 'they get tokens only')
    .action(
      async (name: string, options: { email?: string; displayName?: string; password: boolean }, command: Command) => {
        const session = open(command);
        const password = options.password ? await askSecret(`Password for ${name}: `, session) : undefined;
        const added = await (await session.api()).accounts.add.mutate({
          name,
          ...(options.email && { email: options.email }),
          ...(options.displayName && { displayName: options.displayName }),
          ...(password !== undefined && { password }),
        });
        session.print(added, () => `${added.name} can sign in, and has no role yet.\n`);
        session.suggest(`give one: starling accounts grant ${added.name} deployer --project <project>`);
      },
    );

  accounts
    .command('password')
    .description('set a new password for a person; their sessions end')
    .addArgument(nameArgument())
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const password = await askSecret(`New password for ${name}: `, session);
      const done = await (await session.api()).accounts.setPassword.mutate({ name, password });
      session.print(done, () => `The password of ${name} is new.\n`);
    });

  accounts
    .command('change-password')
    .description('change your own password: the one now and the new one are asked for, or are two lines of stdin')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const [current = '', next = ''] = await askSecrets(['Your password now: ', 'New password: '], session);
      const done = await (await session.api()).accounts.changePassword.mutate({ current, new: next });
      session.print(done, () => `Your password is new, ${done.name}. Sign in again: starling login\n`);
    });

  for (const [verb, preposition] of [
    ['grant', 'to'],
    ['revoke', 'from'],
  ] as const) {
    accounts
      .command(verb)
      .description(verb === 'grant' ? 'give a role' : 'take a role away')
      .addArgument(nameArgument())
      .addArgument(roleArgument())
      .addOption(projectOption())
      .action(async (name: string, role: RoleName, options: { project?: string }, command: Command) => {
        const session = open(command);
        const api = await session.api();
        const input = { name, role, ...(options.project && { project: options.project }) };
        const after = await (verb === 'grant' ? api.accounts.grant.mutate(input) : api.accounts.revoke.mutate(input));
        session.print(
          after,
          () => `${name} is now: ${describeGrants(after.grants)} (${verb} ${role} ${preposition} ${name}).\n`,
        );
      });
  }

  const change = (verb: 'disable' | 'enable' | 'unlock', description: string, said: string) =>
    accounts
      .command(verb)
      .description(description)
      .addArgument(nameArgument())
      .action(async (name: string, _options: object, command: Command) => {
        const session: Session = open(command);
        const done = await (await session.api()).accounts[verb].mutate({ name });
        session.print(done, () => `${name} ${said}.\n`);
      });
  change('disable', 'shut a person out at once: sessions end, tokens are revoked', 'is shut out');
  change('enable', 'let a disabled person back in', 'is back in');
  change('unlock', 'let a person in again whom wrong passwords have locked', 'may try again');
  return accounts;
}
