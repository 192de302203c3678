import { roles } from '@starling/shared/words.ts';
import { Command, Option } from 'commander';
import { parsePositive } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { timeAgo } from '../terminal/wording.ts';

/** `starling tokens`: for scripts and other programs. */
export function tokensCommand(open: OpenSession): Command {
  const tokens = new Command('tokens').description('tokens for scripts: each shown once, ending, and revocable');

  tokens
    .command('list', { isDefault: true })
    .description('your tokens; for administrators those of everybody')
    .option('--account <name>', "only this person's")
    .option('--all', 'revoked and expired ones too')
    .action(async (options: { account?: string; all?: true }, command: Command) => {
      const session = open(command);
      const nowMs = session.clock.now();
      const listed = await (await session.api()).tokens.list.query(options.account ? { account: options.account } : {});
      const ended = (row: (typeof listed)[number]) =>
        row.revokedAt !== null || (row.expiresAt !== null && Date.parse(row.expiresAt) <= nowMs);
      const rows = options.all ? listed : listed.filter((row) => !ended(row));
      session.print(rows, () =>
        formatTable(
          [
            { title: 'TOKEN', align: 'right' },
            { title: 'ACCOUNT' },
            { title: 'ROLE' },
            { title: 'USED' },
            { title: 'ENDS' },
            { title: 'FOR' },
          ],
          rows.map((row) => [
            String(row.id),
            row.account,
            row.role ?? 'as its owner',
            row.lastUsedAt ? timeAgo(row.lastUsedAt, nowMs) : 'never',
            row.revokedAt ? 'revoked' : (row.expiresAt?.slice(0, 10) ?? 'never'),
            oneLine(row.name),
          ]),
          { columns: session.terminal.out.columns, paint: session.outInk.paint },
        ),
      );
    });

  tokens
    .command('create')
    .description('make a token and print it, this once')
    .argument('<name>', 'what it is for')
    .addOption(new Option('--role <role>', 'the most it may do (default: all that you may)').choices(roles))
    .option('--days <days>', 'how long it lives, at most 365 (default: 90)', parsePositive)
    .option('--account <name>', 'for someone else, as an administrator')
    .action(
      async (
        name: string,
        options: { role?: (typeof roles)[number]; days?: number; account?: string },
        command: Command,
      ) => {
        const session = open(command);
        const made = await (await session.api()).tokens.create.mutate({ name, ...options });
        session.print(made, () => `${made.token}\n`);
        session.suggest(
          `It is not shown again. It ends on ${made.expiresAt.slice(0, 10)}; take it back with: starling tokens revoke ${made.id}`,
        );
      },
    );

  tokens
    .command('revoke')
    .description('take a token back; whoever uses it is shut out at once')
    .argument('<token>', 'its number', parsePositive)
    .action(async (id: number, _options: object, command: Command) => {
      const session = open(command);
      const done = await (await session.api()).tokens.revoke.mutate({ id });
      session.print(done, () => (done.revoked ? `Token ${id} is revoked.\n` : `Token ${id} was revoked already.\n`));
    });
  return tokens;
}
