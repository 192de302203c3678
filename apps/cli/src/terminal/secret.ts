import { StarlingError } from '@starling/shared/errors.ts';
import type { Session } from '../session.ts';

const mostCharacters = 1_000;

/** Asks for a secret without showing it; off a terminal it is the first line of stdin. */
export async function askSecret(question: string, session: Session): Promise<string> {
  const [answer = ''] = await askSecrets([question], session);
  return answer;
}

/** Asks for several, one after another; off a terminal they are as many lines of stdin. */
export async function askSecrets(questions: readonly string[], session: Session): Promise<string[]> {
  if (!process.stdin.isTTY) return firstLines(questions.length);
  const answers: string[] = [];
  for (const question of questions) answers.push(await askOnTerminal(question, session));
  return answers;
}

async function askOnTerminal(question: string, { terminal, interrupted }: Session): Promise<string> {
  const { stdin } = process;
  terminal.err.write(question);
  stdin.setRawMode(true);
  try {
    return await readHidden(interrupted);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    terminal.err.write('\n');
  }
}

function readHidden(interrupted: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (result: () => void) => {
      process.stdin.off('data', onData);
      result();
    };
    const onData = (bytes: Buffer) => {
      for (const character of bytes.toString('utf8')) {
        if (character === '\r' || character === '\n') return end(() => resolve(typed));
        if (character === '\u0003') {
          // In raw mode Ctrl-C is a key like any other.
          end(() => reject(new StarlingError('INVALID_INPUT', 'Nothing was changed.')));
          process.kill(process.pid, 'SIGINT');
          return;
        }
        typed = character === '\u007f' ? typed.slice(0, -1) : (typed + character).slice(0, mostCharacters);
      }
    };
    interrupted.addEventListener('abort', () => end(() => resolve('')), { once: true });
    process.stdin.on('data', onData);
    process.stdin.resume();
  });
}

async function firstLines(count: number): Promise<string[]> {
  let text = '';
  for await (const piece of process.stdin) {
    text += piece;
    if (text.split('\n').length > count || text.length > count * mostCharacters) break;
  }
  const lines = text.split(/\r?\n/).slice(0, count);
  if (lines.length === count && lines.every((line) => line !== '')) return lines;
  throw new StarlingError(
    'INVALID_INPUT',
    count === 1 ? 'There is no password on stdin.' : `There are no ${count} passwords on stdin, one a line.`,
    {
      fix: 'Pipe it in, or run this on a terminal.',
    },
  );
}
