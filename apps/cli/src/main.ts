import { CommanderError } from 'commander';
import type { Access } from './access.ts';
import { readConfig } from './config.ts';
import { exitCodes } from './exit-codes.ts';
import { describeFailure, type Failure } from './failure.ts';
import { buildProgram } from './program.ts';
import { sessionOpener } from './session.ts';
import { oneLine, openTerminal } from './terminal/terminal.ts';
import { symbol } from './terminal/wording.ts';

const config = readConfig();
const interruption = new AbortController();
let access: Access | undefined;

// The first Ctrl-C ends what is waited for in good order, the second at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
    interruption.abort();
  });
}
// `starling machines | head` has read enough: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? 0 : exitCodes.failed),
);

const program = buildProgram(sessionOpener(config, interruption.signal, (found) => (access = found)));
const exitCode = await run();
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(exitCode);

async function run(): Promise<number> {
  try {
    await program.parseAsync();
    return interruption.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return exitCodeOfCommander(thrown);
    const failure = describeFailure(thrown, access);
    if (interruption.signal.aborted && failure.exitCode !== exitCodes.interrupted) {
      tell({ message: 'Interrupted.', exitCode: exitCodes.interrupted });
      return exitCodes.interrupted;
    }
    tell(failure);
    if (config.debug) process.stderr.write(`${thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
    return failure.exitCode;
  }
}

/** Commander has written its own message. Help that was not asked for is a usage error as well. */
function exitCodeOfCommander({ code }: CommanderError): number {
  const asked = code === 'commander.helpDisplayed' || code === 'commander.version';
  return asked ? exitCodes.ok : exitCodes.usage;
}

function tell({ message, field, fix, requestId, isDefect }: Failure): void {
  const { err, unicode } = openTerminal(config);
  const [first = '', ...more] = message.split('\n');
  const where = field && !first.includes(field) ? ` (${field})` : '';
  const lines = [
    err.paint('bad', `${symbol('bad', unicode)} ${oneLine(first)}${where}`),
    ...more.map((line) => `  ${oneLine(line)}`),
  ];
  if (fix) lines.push(`  ${symbol('arrow', unicode)} ${oneLine(fix)}`);
  if (requestId) lines.push(err.paint('quiet', `  request ${oneLine(requestId)}`));
  if (isDefect && !config.debug) lines.push('  run with STARLING_DEBUG=1 for the stack');
  err.write(`${lines.join('\n')}\n`);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}
