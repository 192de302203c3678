import { spawn } from 'node:child_process';
import { isAbsolute } from 'node:path';
import { signalGroup } from '@starling/host/process-group.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { ProcessBook } from '../processes/process-book.ts';

export interface GitOptions {
  /** How long the command may take, in milliseconds; 2 minutes by default. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Where the command is noted while it runs, if it may outlive a killed worker. */
  processes?: ProcessBook;
}

const keptStderrBytes = 16 * 1024;
const maxStdoutBytes = 64 * 1024 * 1024;

// What the machine's owner configured for git (proxies, credentials, rewritten URLs) holds here as well. But a
// variable of a surrounding git command must not lead to its repository, nothing may ask a question, messages are
// in the language that is matched on below, and programs that a URL can name (`ext::`) are not run.
const environment = [
  ...['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_OBJECT_DIRECTORY', 'GIT_NAMESPACE'].flatMap((name) => [
    '-u',
    name,
  ]),
  'GIT_TERMINAL_PROMPT=0',
  'GIT_ALLOW_PROTOCOL=file:git:http:https:ssh',
  'LC_ALL=C',
];
const settings = [
  // The repository may belong to another user than the worker's. It is only read, and its hooks are not run.
  'safe.directory=*',
  'core.hooksPath=/dev/null',
  'core.autocrlf=false',
  'core.fsmonitor=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
].flatMap((setting) => ['-c', setting]);

/** A git command that failed; `message` is what git said, without credentials. */
export class GitError extends Error {
  readonly timedOut: boolean;
  readonly stderr: string;

  constructor(command: string, stderr: string, timedOut: boolean, ending: string) {
    const said = lastWords(stderr);
    super(timedOut ? `git ${command} took too long and was ended` : said || `git ${command} ended with ${ending}`);
    this.name = 'GitError';
    this.timedOut = timedOut;
    this.stderr = stderr;
  }
}

/**
 * Runs git and returns what it wrote to standard output. Throws GitError when it fails or takes too long, UNAVAILABLE
 * when the disk is full or git is not installed, and the signal's reason when aborted; nothing of it runs on then.
 */
export async function runGit(args: readonly string[], options: GitOptions = {}): Promise<string> {
  const { timeoutMs = 120_000, signal, processes } = options;
  signal?.throwIfAborted();
  // A session of its own: no terminal to ask at, and one group to end.
  const child = spawn('env', [...environment, 'git', ...settings, ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = new Promise<{ code: number | null; by: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, by) => resolve({ code, by }));
  });
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes <= maxStdoutBytes) stdout.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-keptStderrBytes);
  });
  let timedOut = false;
  const end = () => child.pid !== undefined && signalGroup(child.pid, 'SIGKILL');
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, timeoutMs);
  signal?.addEventListener('abort', end, { once: true });
  let strikeOut: (() => Promise<void>) | undefined;
  try {
    if (child.pid !== undefined) strikeOut = await processes?.enter(child.pid);
    const { code, by } = await closed;
    signal?.throwIfAborted();
    if (code === 0 && !timedOut) {
      if (stdoutBytes > maxStdoutBytes)
        throw new GitError(args[0] ?? '', 'it wrote too much', false, 'too much output');
      return Buffer.concat(stdout).toString('utf8');
    }
    if (code === 127)
      throw new StarlingError('UNAVAILABLE', 'git is not installed here', {
        fix: 'Install git and put it in the PATH.',
      });
    if (/No space left on device|Disk quota exceeded/i.test(stderr))
      throw new StarlingError('UNAVAILABLE', `no space is left on the disk: ${lastWords(stderr)}`, {
        fix: 'Free space on the disk of the worker.',
      });
    throw new GitError(args.find((arg) => !arg.startsWith('-')) ?? '', stderr, timedOut, by ?? `code ${code}`);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
    await strikeOut?.();
  }
}

/** Whether git reads the repository from this machine's disk. */
export const isLocalRepository = (url: string): boolean => isAbsolute(url) || url.startsWith('file://');

/** What goes before the URL of a command that fetches from a repository or lists it. */
export function remoteOptions(url: string): string[] {
  // The other side of a local fetch is a git of its own, which does not see this one's settings.
  return isLocalRepository(url) ? ["--upload-pack=git -c 'safe.directory=*' upload-pack"] : [];
}

/** INVALID_INPUT unless git would take this as the place of a repository, and as nothing else. */
export function checkRepositoryUrl(url: string): void {
  const isUrl = /^(https?|ssh|git|file):\/\/\S+$/.test(url);
  const isScp = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(@[A-Za-z0-9_.-]+)?:[^\s:-][^\s]*$/.test(url) && !/::|:\/\//.test(url);
  if (isUrl || isScp || (isAbsolute(url) && !/[\n\0]/.test(url))) return;
  throw new StarlingError('INVALID_INPUT', `${withoutCredentials(url)} is not the place of a git repository`, {
    field: 'repositoryUrl',
    fix: 'Give an https, ssh, git or file URL, user@host:path, or an absolute path.',
  });
}

/** The text with user names and passwords in URLs left out: it goes to logs, manifests and messages. */
export const withoutCredentials = (text: string): string => text.replace(/(\w+:\/\/)[^/@\s]+@/g, '$1');

/** The line or two in which git says what is wrong, without its general advice. */
function lastWords(stderr: string): string {
  const lines = stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(hint:|Please make sure|and the repository exists|warning:)/.test(line));
  return withoutCredentials(lines.slice(-2).join('; ')).slice(0, 600);
}
