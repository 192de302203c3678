import { buildId } from '@starling/shared/words.ts';
import { Argument, Command, InvalidArgumentError } from 'commander';
import type { Api } from '../client.ts';
import { followChanges } from '../live-changes.ts';
import { parsePositive, parseTimeout } from '../options.ts';
import type { OpenSession, Session } from '../session.ts';
import { oneLine, plainPaint } from '../terminal/terminal.ts';
import { statusText } from '../terminal/wording.ts';
import { type LogPiece, logPrinter, readLogOf } from '../waits/follow-log.ts';
import { readUntil } from '../waits/read-until.ts';

/** A log is followed as long as its job may take with all its attempts, and then some. */
const followTimeoutMs = parseTimeout('24h');

/** `starling logs`: what a build's recipe printed. */
export function logsCommand(open: OpenSession): Command {
  return new Command('logs')
    .description("a build's log; with --json one object for each piece of it")
    .addArgument(new Argument('<job>', "the job's number, or the id of its build").argParser(parseJob))
    .option('-f, --follow', 'go on until the job is over')
    .action(async (job: number | string, options: { follow?: boolean }, command: Command) => {
      const session = open(command);
      const api = await session.api();
      const id = typeof job === 'number' ? job : (await api.builds.get.query({ id: job })).jobId;
      const reader = readLogOf(api, id, pieceWriter(session));
      const ended = await reader.readOn();
      if (!ended && options.follow) await follow(session, api, id, reader.readOn);
      else if (!ended) session.suggest(`It goes on. Follow it with: starling logs ${id} --follow`);
      const { status, failureReason } = await api.jobs.get.query({ id });
      const why = failureReason ? `: ${oneLine(failureReason)}` : '';
      session.say(`Job ${id} ${statusText(status, session.errInk)}${why}`);
    });
}

async function follow(
  session: Session,
  api: Api,
  id: number,
  readOn: (signal: AbortSignal) => Promise<boolean>,
): Promise<void> {
  const changes = followChanges(api, session.clock);
  try {
    await readUntil(session, {
      what: `The log of job ${id}`,
      timeoutMs: followTimeoutMs,
      resume: `starling logs ${id} --follow`,
      changes,
      topics: ['jobs'],
      read: readOn,
      onValue: () => {},
      isOver: (ended) => ended,
      onUnreachable: (reason) => session.say(reason),
    });
  } finally {
    changes.close();
  }
}

function pieceWriter({ terminal, json, say }: Session): (piece: LogPiece) => void {
  if (json) return (piece) => terminal.out.write(`${JSON.stringify(piece)}\n`);
  const { out } = terminal;
  return logPrinter({
    write: out.write,
    fitFor: !out.isTerminal ? null : out.paint === plainPaint ? 'plain terminal' : 'colour terminal',
    onAttempt: (attempt) => say(`-- attempt ${attempt} --`),
  });
}

function parseJob(text: string): number | string {
  if (buildId.safeParse(text).success) return text;
  try {
    return parsePositive(text.replace(/^#/, ''));
  } catch {
    throw new InvalidArgumentError('It is a number from 1, or a build such as hello@1a2b3c4d5e6f.');
  }
}
