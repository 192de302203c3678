import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessBook } from '../processes/process-book.ts';
import { GitError, runGit } from './git.ts';
import { objectFormat } from './mirror.ts';

export interface Commit {
  author: string;
  subject: string;
  committedAt: Date;
}

export interface CheckoutRequest {
  gitDir: string;
  sha: string;
  /** Made new. */
  folder: string;
  signal: AbortSignal;
  processes: ProcessBook;
  timeoutMs: number;
}

/**
 * Puts exactly the tree of a commit into a new folder, as a repository of its own that borrows the mirror's objects:
 * a recipe can ask git what it builds, and nothing it does to its repository reaches the mirror.
 * Throws GitError when the mirror cannot be read.
 */
export async function checkOut(request: CheckoutRequest): Promise<Commit> {
  const { gitDir, sha, folder, signal, processes, timeoutMs } = request;
  const run = (args: string[]) => runGit(['-C', folder, ...args], { signal, processes, timeoutMs });
  await mkdir(folder, { recursive: true });
  await run(['init', '--quiet', '--template=', `--object-format=${objectFormat(sha)}`]);
  await mkdir(join(folder, '.git', 'objects', 'info'), { recursive: true });
  await writeFile(join(folder, '.git', 'objects', 'info', 'alternates'), `${join(gitDir, 'objects')}\n`);
  // Where the mirror's history ends early, as that of a shallow repository does, so does that of the checkout.
  if (await stat(join(gitDir, 'shallow')).catch(() => undefined))
    await copyFile(join(gitDir, 'shallow'), join(folder, '.git', 'shallow'));
  await run(['checkout', '--quiet', '--detach', '--force', sha]);
  const [author, seconds, subject] = (await run(['log', '-1', '--format=%an%x00%ct%x00%s', sha])).trim().split('\0');
  if (seconds === undefined) throw new GitError('log', `commit ${sha} has no author and time`, false, 'no output');
  return {
    author: (author ?? '').slice(0, 200),
    subject: (subject ?? '').slice(0, 500),
    committedAt: new Date(Number(seconds) * 1_000),
  };
}
