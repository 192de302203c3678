import { type IdentityKind, identityKinds } from '@starling/shared/permissions.ts';
import { Argument, Command } from 'commander';
import { yesOption } from '../options.ts';
import type { OpenSession } from '../session.ts';
import { confirm } from '../terminal/confirm.ts';

/** `starling identity revoke`: shuts one hub, worker or agent out. */
export function identityCommand(open: OpenSession): Command {
  const identity = new Command('identity').description('shuts one hub, worker or agent out');

  identity
    .command('revoke')
    .description('shut it out within seconds; what runs on a machine goes on running')
    .addArgument(new Argument('<kind>', 'what it is').choices(identityKinds))
    .argument('<name>', 'its name; list them with: starling identities')
    .addOption(yesOption())
    .action(async (kind: IdentityKind, name: string, options: { yes?: boolean }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      await confirm(`Shut ${kind} ${name} out? It comes back with a new identity only.`, {
        terminal: session.terminal,
        yes: options.yes === true,
        signal: session.interrupted,
      });
      const done = await api.identities.revoke.mutate({ kind, name });
      session.print(done, () =>
        done.revoked ? `The ${kind} ${name} is shut out.\n` : `The ${kind} ${name} was shut out already.\n`,
      );
      const { openInvitation } = done;
      if (openInvitation) {
        session.suggest(
          `The token it came in with lets ${openInvitation.usesLeft} more in; to end that: starling enrol withdraw ${openInvitation.id}`,
        );
      }
    });
  return identity;
}
