import { Command } from 'commander';
import { describeFailure } from '../failure.ts';
import type { OpenSession } from '../session.ts';
import { cliVersion } from '../version.ts';

/** `starling version`: of the CLI, and of the server where one can be reached. */
export function versionCommand(open: OpenSession): Command {
  return new Command('version')
    .description('the version of this CLI, and of the server when it can be reached')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const server = await askServer();
      session.print({ cli: cliVersion, server }, () => {
        const said = 'version' in server ? `${server.version} at ${server.url}` : `unknown: ${server.problem}`;
        return `CLI     ${cliVersion}\nserver  ${said}\n`;
      });

      async function askServer(): Promise<{ url: string; version: string } | { problem: string }> {
        const access = await session.access().catch((thrown: unknown) => ({ thrown }));
        if ('thrown' in access) return { problem: describeFailure(access.thrown, undefined).message };
        try {
          const api = await session.api();
          const { version } = await api.session.whoAmI.query(undefined, { signal: AbortSignal.timeout(5_000) });
          return { url: access.server, version };
        } catch (thrown) {
          return { problem: describeFailure(thrown, access).message };
        }
      }
    });
}
