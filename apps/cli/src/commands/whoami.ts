import { describeGrants } from '@starling/shared/permissions.ts';
import { Command } from 'commander';
import type { OpenSession } from '../session.ts';

/** `starling whoami`: which server, as whom, and what that allows. */
export function whoamiCommand(open: OpenSession): Command {
  return new Command('whoami')
    .description('which server this talks to, as whom and with which role')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const me = await (await session.api()).session.whoAmI.query();
      const { server, from } = await session.access();
      session.print({ ...me, server }, () => `${me.name} (${describeGrants(me.grants)}) on ${server}, from ${from}\n`);
    });
}
