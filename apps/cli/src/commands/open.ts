import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { consoleAddress } from '../console-address.ts';
import type { OpenSession } from '../session.ts';

/** `starling open`: the console's address, opened in a browser when a person asks. */
export function openCommand(open: OpenSession): Command {
  return new Command('open')
    .description("print the console's address and, on a terminal, open it in a browser")
    .option('--print', 'only print it')
    .action(async (options: { print?: boolean }, command: Command) => {
      const session = open(command);
      const url = consoleAddress((await session.access()).server);
      session.print({ url }, () => `${url}\n`);
      if (session.json || options.print || !session.terminal.out.isTerminal) return;
      if (!(await startBrowser(url))) session.suggest('No browser could be started here; open the address yourself.');
    });
}

/** Resolves to false where there is no way to open an address. */
function startBrowser(url: string): Promise<boolean> {
  const [program, ...options] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler']
        : ['xdg-open'];
  return new Promise((resolve) => {
    const child = spawn(program!, [...options, url], { stdio: 'ignore', detached: true });
    child.once('error', () => resolve(false));
    child.once('spawn', () => {
      child.unref();
      resolve(true);
    });
  });
}
