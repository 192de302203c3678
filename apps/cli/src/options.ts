import { formatDuration, parseDuration } from '@starling/shared/durations.ts';
import { projectName } from '@starling/shared/words.ts';
import { Argument, InvalidArgumentError, Option } from 'commander';

// Arguments and options that several commands share, each checked before a server is asked.

const longestTimeoutMs = 24 * 3_600_000;
/** How long a wait takes at most unless told otherwise: as long as a commit may take to the last machine. */
export const defaultTimeout = '30m';

export function timeoutOption(): Option {
  return new Option('--timeout <duration>', 'with --wait: stop waiting after this long, which cancels nothing')
    .argParser(parseTimeout)
    .default(parseDuration(defaultTimeout), defaultTimeout);
}

export function parseTimeout(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) throw new InvalidArgumentError('It is a duration such as 90s, 20m or 2h.');
  if (milliseconds < 1 || milliseconds > longestTimeoutMs) {
    throw new InvalidArgumentError(`It is at most ${formatDuration(longestTimeoutMs)}.`);
  }
  return milliseconds;
}

export function limitOption(standard: number, most: number): Option {
  return new Option('--limit <n>', `how many to show, at most ${most}`)
    .argParser((text) => {
      const limit = parsePositive(text);
      if (limit > most) throw new InvalidArgumentError(`It is at most ${most}.`);
      return limit;
    })
    .default(standard);
}

/** A job's, deployment's … number from 1. */
export function parsePositive(text: string): number {
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || value < 1) throw new InvalidArgumentError('It is a number from 1.');
  return value;
}

export function projectArgument(form: '<project>' | '[project]'): Argument {
  return new Argument(form, 'its name; list them with: starling project list').argParser(parseProject);
}

export function parseProject(text: string): string {
  const parsed = projectName.safeParse(text);
  if (!parsed.success)
    throw new InvalidArgumentError(`${capitalized(parsed.error.issues[0]?.message ?? 'not valid')}.`);
  return parsed.data;
}

/** `#3` and `3` both name deployment 3. */
export const deploymentArgument = (): Argument => numberArgument('<deployment>');
export const jobArgument = (): Argument => numberArgument('<job>');

/** A number, as people write it: 3 or #3. */
function numberArgument(form: string): Argument {
  return new Argument(form, 'its number').argParser((text: string) => parsePositive(text.replace(/^#/, '')));
}

export function priorityOption(): Option {
  return new Option(
    '--priority <n>',
    "higher goes first, -100 to 100 (default: the project's own; 0 unless it was set)",
  ).argParser((text) => {
    const priority = Number(text);
    if (!/^-?\d{1,3}$/.test(text) || Math.abs(priority) > 100)
      throw new InvalidArgumentError('It is a whole number from -100 to 100.');
    return priority;
  });
}

export function reasonOption(): Option {
  return new Option('--reason <text>', 'why, for those who read the history');
}

export function yesOption(): Option {
  return new Option('-y, --yes', 'do not ask; off a terminal nothing is asked anyway');
}

export function waitOption(forWhat: string): Option {
  return new Option('-w, --wait', forWhat);
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** One of the words of the tables, written in lower case. */
export function wordsOption<Word extends string>(flags: string, description: string, words: readonly Word[]): Option {
  const choices = words.map((word) => word.toLowerCase());
  return new Option(`${flags}`, `${description}: ${choices.join(', ')}`).argParser((text) => {
    const found = words.find((word) => word.toLowerCase() === text.toLowerCase());
    if (!found) throw new InvalidArgumentError(`It is one of ${choices.join(', ')}.`);
    return found;
  });
}

/** A moment as it was written, which may depend on when now is: ISO 8601. */
export type TimeOption = (nowMs: number) => string;

/** `--from` and `--to`. */
export function periodOptions(what: string, standard?: string): [Option, Option] {
  const from = new Option(
    '--from <time>',
    `only what was ${what} since: 2026-01-31, 2026-01-31T08:00Z, or 7d ago as 7d`,
  );
  if (standard) from.default(parseTime(standard), standard);
  return [
    from.argParser(parseTime),
    new Option('--to <time>', `only what was ${what} until then`).argParser(parseTime),
  ];
}

/** What the API takes of `--from` and `--to`. */
export function periodOf({ from, to }: { from?: TimeOption; to?: TimeOption }, nowMs: number) {
  return { ...(from && { from: from(nowMs) }), ...(to && { to: to(nowMs) }) };
}

export function parseTime(text: string): TimeOption {
  const ago = parseDuration(text);
  if (ago !== undefined) return (nowMs) => new Date(nowMs - ago).toISOString();
  // A day without a zone is one of UTC, as everywhere in Starling; a time without one would be anybody's guess.
  const isKnown = /^\d{4}-\d\d-\d\d$|^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const moment = new Date(text);
  if (!isKnown || Number.isNaN(moment.getTime())) {
    throw new InvalidArgumentError('It is a day such as 2026-01-31, a time such as 2026-01-31T08:00Z, or 7d for then.');
  }
  return () => moment.toISOString();
}
