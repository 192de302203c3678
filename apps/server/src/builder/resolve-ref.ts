import { fileURLToPath } from 'node:url';
import { StarlingError } from '@starling/shared/errors.ts';
import { checkRepositoryUrl, GitError, isLocalRepository, remoteOptions, runGit, withoutCredentials } from './git.ts';

const fullSha = /^([0-9a-f]{40}|[0-9a-f]{64})$/i;
const shortSha = /^[0-9a-f]{4,39}$/i;
const branchesShown = 8;
const timeoutMs = 30_000;

/**
 * The full SHA of the commit that a branch, a tag, `HEAD` or a SHA names in a repository, in lower case. A full SHA of
 * a repository elsewhere is taken as it is; a shortened one only where it can be looked up.
 * NOT_FOUND when there is nothing of that name (some branches are named), INVALID_INPUT for what can be no name,
 * UNAVAILABLE with git's own words when the repository cannot be read.
 */
export async function resolveRef(repositoryUrl: string, ref: string): Promise<string> {
  checkRepositoryUrl(repositoryUrl);
  checkRef(ref);
  if (fullSha.test(ref)) {
    if (isLocalRepository(repositoryUrl) && !(await commitOf(repositoryUrl, ref)))
      throw notFound(repositoryUrl, `commit ${ref.toLowerCase()}`);
    return ref.toLowerCase();
  }
  const short = ref.replace(/^refs\/(heads|tags)\//, '');
  // A branch before a tag of the same name; `^{}` is the commit that an annotated tag points to.
  const candidates = ref.startsWith('refs/')
    ? [`${ref}^{}`, ref]
    : [...(ref === 'HEAD' ? ['HEAD'] : []), `refs/heads/${short}`, `refs/tags/${short}^{}`, `refs/tags/${short}`];
  const refs = await listRefs(repositoryUrl, candidates);
  for (const candidate of candidates) {
    const sha = refs.get(candidate);
    if (sha !== undefined) return sha;
  }
  if (shortSha.test(ref)) return resolveShortSha(repositoryUrl, ref.toLowerCase());
  throw notFound(repositoryUrl, `branch or tag ${ref}`, await branchesOf(repositoryUrl));
}

async function resolveShortSha(repositoryUrl: string, ref: string): Promise<string> {
  if (isLocalRepository(repositoryUrl)) {
    const sha = await commitOf(repositoryUrl, ref);
    if (sha !== undefined) return sha;
    throw notFound(repositoryUrl, `branch, tag or commit ${ref} (or several commits begin so)`);
  }
  // The ends of branches and tags are all that a server tells of its commits.
  const ends = [...new Set((await listRefs(repositoryUrl, [])).values())].filter((sha) => sha.startsWith(ref));
  if (ends.length === 1 && ends[0]) return ends[0];
  throw new StarlingError(
    'NOT_FOUND',
    `${withoutCredentials(repositoryUrl)} has no branch or tag ${ref}, and a shortened SHA cannot be looked up there`,
    { field: 'ref', fix: 'Give all 40 digits of the SHA, or a branch or tag.' },
  );
}

/** Refs and what they point to; those named, or all. */
async function listRefs(repositoryUrl: string, names: readonly string[]): Promise<Map<string, string>> {
  const asked = names.map((name) => name.replace(/\^\{\}$/, '*'));
  const output = await ask(repositoryUrl, [
    'ls-remote',
    ...remoteOptions(repositoryUrl),
    '--',
    repositoryUrl,
    ...new Set(asked),
  ]);
  const lines = output.split('\n').map((line) => line.split('\t') as [string, string | undefined]);
  return new Map(lines.flatMap(([sha, name]) => (name === undefined ? [] : [[name, sha] as const])));
}

async function branchesOf(repositoryUrl: string): Promise<string[]> {
  const refs = await listRefs(repositoryUrl, ['refs/heads/*']);
  return [...refs.keys()].map((name) => name.replace('refs/heads/', ''));
}

/** The commit that a SHA, shortened or not, names in a repository on this disk. */
async function commitOf(repositoryUrl: string, sha: string): Promise<string | undefined> {
  const path = repositoryUrl.startsWith('file://') ? fileURLToPath(repositoryUrl) : repositoryUrl;
  try {
    const commit = await runGit(['-C', path, 'rev-parse', '--verify', '--quiet', `${sha}^{commit}`], { timeoutMs });
    return commit.trim();
  } catch (thrown) {
    if (!(thrown instanceof GitError)) throw thrown;
    await ask(repositoryUrl, ['ls-remote', ...remoteOptions(repositoryUrl), '--', repositoryUrl, 'HEAD']);
    return undefined;
  }
}

async function ask(repositoryUrl: string, args: string[]): Promise<string> {
  try {
    return await runGit(args, { timeoutMs });
  } catch (thrown) {
    if (!(thrown instanceof GitError)) throw thrown;
    throw new StarlingError('UNAVAILABLE', `cannot read ${withoutCredentials(repositoryUrl)}: ${thrown.message}`, {
      field: 'repositoryUrl',
      fix: 'Check the address, and that this server reaches the repository and may read it.',
      cause: thrown,
    });
  }
}

/** After git's rules for ref names; what they forbid could also be an option or a pattern. */
function checkRef(ref: string): void {
  const forbidden = /^[-/.]|[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(\/|$)|[/.]$|^@$/;
  if (ref !== '' && ref.length <= 255 && !forbidden.test(ref)) return;
  throw new StarlingError('INVALID_INPUT', `${JSON.stringify(ref.slice(0, 80))} cannot be a branch, tag or SHA`, {
    field: 'ref',
    fix: 'Give a branch, a tag or a commit SHA.',
  });
}

function notFound(repositoryUrl: string, what: string, branches: readonly string[] = []): StarlingError {
  const shown = branches.slice(0, branchesShown).join(', ');
  const rest = branches.length > branchesShown ? ` and ${branches.length - branchesShown} more` : '';
  const known = branches.length === 0 ? '' : `; its branches are ${shown}${rest}`;
  return new StarlingError('NOT_FOUND', `there is no ${what} in ${withoutCredentials(repositoryUrl)}${known}`, {
    field: 'ref',
    fix: 'Check the spelling, and that it was pushed.',
  });
}
