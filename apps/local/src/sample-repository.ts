import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { StarlingError } from '@starling/shared/errors.ts';

const run = promisify(execFile);
const sources = fileURLToPath(new URL('../sample/', import.meta.url));

/** The history of the sample service: each commit lays its folder over the one before and gets a tag. */
const commits = [
  { folder: '1-good', tag: 'v1', subject: 'Say hello', date: '2026-01-05T09:00:00Z' },
  { folder: '2-better', tag: 'v2', subject: 'Greet more warmly', date: '2026-01-06T09:00:00Z' },
  {
    folder: '3-never-healthy',
    tag: 'v3',
    subject: 'Read the table at start (with a mistake)',
    date: '2026-01-07T09:00:00Z',
  },
];

/** Makes the sample service's repository unless it is there; its commits have the same SHAs everywhere. */
export async function makeSampleRepository(folder: string, searchPath: string): Promise<void> {
  if (existsSync(folder)) return;
  const building = `${folder}.partial`;
  await rm(building, { recursive: true, force: true });
  await mkdir(building, { recursive: true });
  try {
    const git = (date: string, ...commandLine: string[]) =>
      run('git', commandLine, { cwd: building, timeout: 30_000, env: gitEnvironment(date, searchPath) });
    await git(commits[0]!.date, 'init', '--quiet', '--initial-branch=main');
    for (const { folder: source, tag, subject, date } of commits) {
      await cp(`${sources}${source}`, building, { recursive: true });
      await git(date, 'add', '--all');
      await git(date, 'commit', '--quiet', `--message=${subject}`);
      await git(date, 'tag', tag);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new StarlingError('UNAVAILABLE', 'git is not installed', {
        fix: 'Install git (for example: apt-get install git) and start again.',
        cause,
      });
    }
    throw cause;
  }
  await rename(building, folder);
}

/** No configuration of the user's or the machine's has a say in the sample's commits. */
function gitEnvironment(date: string, searchPath: string): NodeJS.ProcessEnv {
  return {
    PATH: searchPath,
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Ada Example',
    GIT_AUTHOR_EMAIL: 'ada@example.com',
    GIT_COMMITTER_NAME: 'Ada Example',
    GIT_COMMITTER_EMAIL: 'ada@example.com',
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_DATE: date,
  };
}
