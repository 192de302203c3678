import { createInterface } from 'node:readline/promises';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import type { Terminal } from './terminal.ts';

/**
 * Asks before something with consequences. Off a terminal nobody could answer and a script has decided already, so it
 * goes ahead, as it does with --yes.
 */
export async function confirm(
  question: string,
  { terminal, yes, signal }: { terminal: Terminal; yes: boolean; signal: AbortSignal },
): Promise<void> {
  if (yes || !terminal.canAsk) return;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  // Raw keys reach the prompt and not the process: Ctrl-C has to be passed on.
  prompt.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const answer = await prompt.question(`${question} [y/N] `, { signal });
    if (/^y(es)?$/i.test(answer.trim())) return;
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    prompt.close();
  }
  throw new CommandFailure({ message: 'Nothing was changed.', exitCode: exitCodes.failed });
}
