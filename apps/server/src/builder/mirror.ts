import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { lock } from '@starling/host/lock-file.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ProcessBook } from '../processes/process-book.ts';
import { checkRepositoryUrl, GitError, remoteOptions, runGit, withoutCredentials } from './git.ts';

// A worker keeps a bare copy of each repository, so that of the next commit only what is new is fetched. A commit is
// fetched by its SHA and kept by a ref of its own, `refs/starling/<sha>`, whichever branches come and go.

export interface MirrorOptions {
  /** Holds one folder for each repository; several workers may share it. */
  folder: string;
  clock: Clock;
  log: Logger;
  processes?: ProcessBook;
  /** How long one fetch may take, in milliseconds; 15 minutes by default. */
  fetchTimeoutMs?: number;
}

export interface MirroredCommit {
  gitDir: string;
  /** False when the mirror had the commit already, and the repository was not asked. */
  fetched: boolean;
}

const keptRefs = 1_000;

export class Mirrors {
  readonly #options: MirrorOptions;
  readonly #fetchTimeoutMs: number;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#fetchTimeoutMs = options.fetchTimeoutMs ?? 15 * 60_000;
  }

  /**
   * Makes sure that the mirror of the repository has the commit with all its history. INVALID_INPUT when the
   * repository has no such commit, UNAVAILABLE when it cannot be reached.
   */
  async ensureCommit(url: string, sha: string, signal?: AbortSignal): Promise<MirroredCommit> {
    return this.#locked(url, sha, signal, async (gitDir) => {
      try {
        return await this.#bring(gitDir, url, sha, signal);
      } catch (thrown) {
        if (!(thrown instanceof GitError) || thrown.timedOut) throw unreachable(url, thrown);
        await this.#checkReachable(url, signal);
        this.#options.log.warn({ gitDir, said: thrown.stderr }, 'the mirror is broken and is built anew');
        await discard(gitDir);
        return await this.#bring(gitDir, url, sha, signal).catch((again) => {
          throw unreachable(url, again);
        });
      }
    });
  }

  /** Throws the mirror away, when what it has turned out to be unreadable. */
  async discard(url: string, sha: string, signal?: AbortSignal): Promise<void> {
    await this.#locked(url, sha, signal, discard);
  }

  async #locked<T>(url: string, sha: string, signal: AbortSignal | undefined, work: (gitDir: string) => Promise<T>) {
    checkRepositoryUrl(url);
    const { folder, clock } = this.#options;
    await mkdir(folder, { recursive: true });
    const gitDir = join(folder, mirrorName(url, sha));
    // As long as the one before may take to fetch, and then some.
    const timeoutMs = 2 * this.#fetchTimeoutMs;
    const unlock = await lock(`${gitDir}.lock`, {
      clock,
      timeoutMs,
      holder: 'another build',
      ...(signal ? { signal } : {}),
    });
    try {
      return await work(gitDir);
    } finally {
      await unlock();
    }
  }

  async #bring(gitDir: string, url: string, sha: string, signal: AbortSignal | undefined): Promise<MirroredCommit> {
    await this.#create(gitDir, sha);
    await removeStaleLocks(gitDir);
    if (await hasCommit(gitDir, sha)) return { gitDir, fetched: false };
    try {
      await this.#fetch(gitDir, url, [`+${sha}:${keptRef(sha)}`], signal);
    } catch (thrown) {
      // Some servers give out only what a branch or tag names; then the commit is among all of these, or nowhere.
      if (!(thrown instanceof GitError) || thrown.timedOut) throw thrown;
      await this.#fetch(gitDir, url, ['--prune', '+refs/*:refs/origin/*'], signal);
    }
    if (!(await hasCommit(gitDir, sha)))
      throw new StarlingError('INVALID_INPUT', `there is no commit ${sha} in ${withoutCredentials(url)}`, {
        field: 'commitSha',
        fix: 'Check that it was pushed, and that it is the SHA of a commit of this repository.',
      });
    await git(gitDir, ['update-ref', keptRef(sha), sha]);
    await forgetOldest(gitDir);
    return { gitDir, fetched: true };
  }

  async #fetch(gitDir: string, url: string, what: string[], signal: AbortSignal | undefined): Promise<void> {
    const { processes } = this.#options;
    const options = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--update-shallow'];
    const [flags, refspecs] = [what.filter((arg) => arg.startsWith('--')), what.filter((arg) => !arg.startsWith('--'))];
    await runGit(
      [`--git-dir=${gitDir}`, 'fetch', ...options, ...flags, ...remoteOptions(url), '--', url, ...refspecs],
      {
        timeoutMs: this.#fetchTimeoutMs,
        ...(signal ? { signal } : {}),
        ...(processes ? { processes } : {}),
      },
    );
  }

  async #create(gitDir: string, sha: string): Promise<void> {
    if (await stat(join(gitDir, 'HEAD')).catch(() => undefined)) return;
    const draft = `${gitDir}.new-${randomBytes(4).toString('hex')}`;
    await runGit(['init', '--quiet', '--bare', '--template=', `--object-format=${objectFormat(sha)}`, draft]);
    await rm(gitDir, { recursive: true, force: true });
    await rename(draft, gitDir);
  }

  async #checkReachable(url: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await runGit(['ls-remote', ...remoteOptions(url), '--', url, 'HEAD'], {
        timeoutMs: 60_000,
        ...(signal ? { signal } : {}),
      });
    } catch (thrown) {
      throw unreachable(url, thrown);
    }
  }
}

export const objectFormat = (sha: string): 'sha1' | 'sha256' => (sha.length === 64 ? 'sha256' : 'sha1');

/** What a repository is called among the mirrors: readable, and one of a kind by its hash. */
export function mirrorName(url: string, sha: string): string {
  const readable = withoutCredentials(url)
    .replace(/^\w+:\/\//, '')
    .replace(/(\/?\.git)?\/*$/, '')
    .split(/[/:]/)
    .slice(-2)
    .join('-')
    .replaceAll(/[^A-Za-z0-9-]+/g, '-')
    .slice(-40);
  const hash = createHash('sha256')
    .update(`${objectFormat(sha)} ${url}`)
    .digest('hex')
    .slice(0, 12);
  return `${readable.replace(/^-+/, '') || 'repository'}-${hash}.git`;
}

const keptRef = (sha: string): string => `refs/starling/${sha}`;
const git = (gitDir: string, args: string[]) => runGit([`--git-dir=${gitDir}`, ...args]);

/**
 * Whether a ref leads to the commit. That an object is there says less: what a killed fetch left of small objects
 * need not be complete, but git writes a ref only when all that it leads to is.
 */
async function hasCommit(gitDir: string, sha: string): Promise<boolean> {
  const succeeds = async (args: string[]) => {
    try {
      return (await git(gitDir, args)).trim() !== '';
    } catch (thrown) {
      if (thrown instanceof GitError) return false;
      throw thrown;
    }
  };
  return (
    (await succeeds(['rev-parse', '--verify', '--quiet', '--end-of-options', `${keptRef(sha)}^{commit}`])) ||
    (await succeeds(['for-each-ref', '--count=1', '--format=%(refname)', `--contains=${sha}`]))
  );
}

/** A ref costs little, but not nothing: those of the oldest commits go. A commit that is wanted again is fetched again. */
async function forgetOldest(gitDir: string): Promise<void> {
  const format = '--format=%(refname)';
  const refs = await git(gitDir, ['for-each-ref', '--sort=-committerdate', format, 'refs/starling/']);
  const old = refs.split('\n').slice(keptRefs).filter(Boolean);
  for (const ref of old) await git(gitDir, ['update-ref', '-d', ref]);
}

/** Called with the mirror's lock held: whoever left these was killed. */
async function removeStaleLocks(gitDir: string): Promise<void> {
  for (const name of await readdir(gitDir)) if (name.endsWith('.lock')) await rm(join(gitDir, name), { force: true });
  for (const name of await readdir(join(gitDir, 'refs', 'starling')).catch(() => []))
    if (name.endsWith('.lock')) await rm(join(gitDir, 'refs', 'starling', name), { force: true });
}

async function discard(gitDir: string): Promise<void> {
  const aside = `${gitDir}.broken-${randomBytes(4).toString('hex')}`;
  await rename(gitDir, aside).catch(() => {});
  await rm(aside, { recursive: true, force: true });
}

/** Other errors than git's are passed on as they are. */
function unreachable(url: string, thrown: unknown): unknown {
  if (!(thrown instanceof GitError)) return thrown;
  return new StarlingError('UNAVAILABLE', `cannot fetch from ${withoutCredentials(url)}: ${thrown.message}`, {
    field: 'repositoryUrl',
    fix: 'Check that the worker reaches the repository and may read it.',
    cause: thrown,
  });
}
