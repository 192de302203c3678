import type { Finding } from '@starling/shared/findings.ts';
import { Command } from 'commander';
import { checkConnection } from '../doctor/connection.ts';
import { checkServer } from '../doctor/server.ts';
import { checkThisMachine } from '../doctor/this-machine.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import type { OpenSession } from '../session.ts';
import { symbol } from '../terminal/wording.ts';

/** `starling doctor`: looks at this machine, the way to the server and the server's parts; each defect with its fix. */
export function doctorCommand(open: OpenSession): Command {
  return new Command('doctor')
    .description('check this machine, the way to the server and the parts it works with; every defect with its fix')
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const findings: Finding[] = await checkThisMachine(session.config);
      const access = await session.access().catch((thrown: unknown) => {
        findings.push(asFinding(thrown));
        return undefined;
      });
      if (access) {
        const connection = await checkConnection(access.server);
        findings.push(...connection);
        if (!connection.some(({ status }) => status === 'bad')) findings.push(...(await checkServer(session, access)));
      }
      const { paint, unicode } = session.outInk;
      const widest = Math.max(...findings.map(({ check }) => check.length));
      session.print(findings, () =>
        findings
          .map(({ check, status, detail, fix }) => {
            const line = `${paint(status, symbol(status, unicode))} ${check.padEnd(widest)}  ${detail}\n`;
            return fix ? `${line}${' '.repeat(widest + 4)}${paint('quiet', fix)}\n` : line;
          })
          .join(''),
      );
      const defects = findings.filter(({ status }) => status === 'bad').length;
      if (defects > 0) {
        throw new CommandFailure({
          message: `${defects} ${defects === 1 ? 'thing is' : 'things are'} wrong.`,
          exitCode: exitCodes.failed,
        });
      }
    });
}

function asFinding(thrown: unknown): Finding {
  const { message, fix } = thrown as Error & { fix?: string };
  return { check: 'server', status: 'bad', detail: message, fix: fix ?? 'Name one with --server <url>.' };
}
