import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { matchesBranch } from '@starling/shared/branch-pattern.ts';
import { checkRepositoryUrl, GitError, isLocalRepository, remoteOptions, runGit } from '../builder/git.ts';
import type { ReviewVerdict } from '../gates/judge.ts';

const timeoutMs = 60_000;
const mostBranches = 50;

/**
 * Whether a commit is on one of the branches that only reviewed changes reach. `folder` keeps the history of each
 * repository (its commits, not its files), so that the next look fetches what is new.
 */
export async function isOnProtectedBranch(
  { repositoryUrl, commitSha, patterns }: { repositoryUrl: string; commitSha: string; patterns: readonly string[] },
  folder: string,
): Promise<ReviewVerdict> {
  checkRepositoryUrl(repositoryUrl);
  const branches = await protectedBranches(repositoryUrl, patterns);
  if (branches.length === 0) {
    return { state: 'waiting', detail: `the repository has no branch like ${patterns.join(', ')}` };
  }
  const repository = await historyOf(repositoryUrl, branches, folder);
  for (const { name, sha } of branches) {
    if (await isAncestor(repository, commitSha, sha)) return { state: 'passed', detail: `it is on the branch ${name}` };
  }
  const names = branches.map(({ name }) => name).join(', ');
  return { state: 'waiting', detail: `${commitSha.slice(0, 12)} is not on ${names}; it is looked for again` };
}

async function protectedBranches(repositoryUrl: string, patterns: readonly string[]) {
  const output = await runGit(['ls-remote', ...remoteOptions(repositoryUrl), '--heads', '--', repositoryUrl], {
    timeoutMs,
  });
  const heads = output.split('\n').flatMap((line) => {
    const [sha, ref] = line.split('\t');
    return sha && ref ? [{ sha, name: ref.replace('refs/heads/', '') }] : [];
  });
  return heads.filter(({ name }) => patterns.some((pattern) => matchesBranch(pattern, name))).slice(0, mostBranches);
}

/** A folder in which git knows the history of the branches. */
async function historyOf(
  repositoryUrl: string,
  branches: readonly { name: string }[],
  folder: string,
): Promise<string> {
  if (isLocalRepository(repositoryUrl)) {
    return repositoryUrl.startsWith('file://') ? fileURLToPath(repositoryUrl) : repositoryUrl;
  }
  const repository = join(folder, `${createHash('sha256').update(repositoryUrl).digest('hex').slice(0, 32)}.git`);
  await mkdir(repository, { recursive: true, mode: 0o700 });
  await runGit(['init', '--quiet', '--bare', repository], { timeoutMs });
  const refs = branches.map(({ name }) => `+refs/heads/${name}:refs/heads/${name}`);
  const fetch = (...filter: string[]) =>
    runGit(
      [
        '-C',
        repository,
        'fetch',
        '--quiet',
        '--no-tags',
        ...filter,
        ...remoteOptions(repositoryUrl),
        '--',
        repositoryUrl,
        ...refs,
      ],
      { timeoutMs },
    );
  // Commits alone are enough; a server that cannot leave the rest out sends it all.
  await fetch('--filter=tree:0').catch(() => fetch());
  return repository;
}

async function isAncestor(repository: string, commit: string, head: string): Promise<boolean> {
  try {
    await runGit(['-C', repository, 'merge-base', '--is-ancestor', commit, head], { timeoutMs });
    return true;
  } catch (thrown) {
    if (thrown instanceof GitError) return false;
    throw thrown;
  }
}
