import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { StarlingError } from '@starling/shared/errors.ts';
import { Command } from 'commander';
import { requestTimeoutMs } from '../client.ts';
import type { OpenSession, Session } from '../session.ts';
import { askSecret } from '../terminal/secret.ts';

/** `starling login`: exchanges name and password for a token that this machine keeps. */
export function loginCommand(open: OpenSession): Command {
  return new Command('login')
    .description('sign in with name and password; a token is kept for this machine and this server')
    .argument('<name>', 'your account')
    .addHelpText('after', '\nThe password is asked for, or read from stdin. The token lives for 30 days.')
    .action(async (name: string, _options: object, command: Command) => {
      const session = open(command);
      const { server } = await session.access();
      const password = await askSecret(`Password for ${name} on ${server}: `, session);
      const { token, expiresAt } = await signIn(server, name, password, session);
      const file = session.config.userConfigFile;
      const tokenFile = join(dirname(file), 'token');
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writePrivate(tokenFile, `${token}\n`);
      await writePrivate(file, `${JSON.stringify({ server, tokenFile }, null, 2)}\n`);
      session.print(
        { name, server, expiresAt },
        () => `Signed in to ${server} as ${name}, until ${expiresAt.slice(0, 10)}.\n`,
      );
    });
}

/** `starling logout`: takes the kept token back, and forgets it. */
export function logoutCommand(open: OpenSession): Command {
  return new Command('logout')
    .description('forget the token that this machine keeps; it is revoked where the server can be reached')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const tokenFile = join(dirname(session.config.userConfigFile), 'token');
      const label = `${hostname()} `;
      let revoked = 0;
      try {
        const api = await session.api();
        const me = await api.session.whoAmI.query();
        const mine = (await api.tokens.list.query({ account: me.name })).filter(
          (token) => token.account === me.name && token.revokedAt === null && token.name.startsWith(label),
        );
        for (const { id } of mine) revoked += (await api.tokens.revoke.mutate({ id })).revoked ? 1 : 0;
      } catch {
        session.say('The server was not told; its token ends by itself.');
      }
      await rm(tokenFile, { force: true });
      session.print({ revoked }, () => 'Signed out.\n');
    });
}

async function signIn(server: string, name: string, password: string, { interrupted }: Session) {
  const response = await fetch(`${server}/session/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password, for: hostname().slice(0, 60) || 'cli' }),
    signal: AbortSignal.any([interrupted, AbortSignal.timeout(requestTimeoutMs)]),
  }).catch((thrown: Error) => {
    throw new StarlingError('UNAVAILABLE', `${server} cannot be reached: ${thrown.message}`, { cause: thrown });
  });
  const answer = (await response.json().catch(() => ({}))) as {
    token?: string;
    expiresAt?: string;
    message?: string;
    fix?: string;
  };
  if (response.ok && answer.token && answer.expiresAt) return { token: answer.token, expiresAt: answer.expiresAt };
  throw new StarlingError(
    response.status === 401 ? 'UNAUTHENTICATED' : 'UNAVAILABLE',
    answer.message ?? `${server} answered ${response.status}.`,
    {
      ...(answer.fix && { fix: answer.fix }),
    },
  );
}

async function writePrivate(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
