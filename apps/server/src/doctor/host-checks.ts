import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { formatBytes } from '@starling/shared/durations.ts';
import { bad, good, warn } from '@starling/shared/findings.ts';
import type { Check } from './run-checks.ts';

// What a server needs of the host it is to run on. Nothing is made or changed.

const GiB = 1024 ** 3;
/** With less a worker takes no job, and a hub pulls no pack. */
const leastFreeBytes = 0.5 * GiB;
const fewFreeBytes = 5 * GiB;

/** Whether git is there, which fetches what is built. */
export function gitCheck(): Check {
  return {
    name: 'git',
    fix: 'Install git and put it in the PATH.',
    look: async () => {
      const { stdout } = await promisify(execFile)('git', ['--version'], { timeout: 5_000 });
      return good('git', stdout.trim().replace(/^git version /, ''));
    },
  };
}

/** Whether we may write in a folder (or make it), and how much room there is. */
export function folderCheck(name: string, folder: string): Check {
  return {
    name,
    fix: 'Name a folder that the user of this process may write to.',
    look: async () => {
      const there = await nearestThere(resolve(folder));
      await access(there, constants.W_OK | constants.X_OK);
      const { bavail, bsize } = await statfs(there);
      const free = bavail * bsize;
      const found = `${formatBytes(free)} free in ${folder}`;
      if (free < leastFreeBytes) return bad(name, `Only ${found}.`, 'Make room, or choose another disk.');
      if (free < fewFreeBytes) return warn(name, `Only ${found}.`, 'Make room: builds are stored here whole.');
      return good(name, there === resolve(folder) ? found : `${found}, which will be made`);
    },
  };
}

async function nearestThere(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? path : nearestThere(dirname(path));
}

/** Whether files with secrets are for their owner (and group) alone. Those that cannot be read the configuration names. */
export function secretFilesCheck(files: readonly { variable: string; path: string }[]): Check {
  const name = 'secret files';
  return {
    name,
    fix: 'Make them readable for the user of this process.',
    look: async () => {
      const open: string[] = [];
      for (const { variable, path } of files) {
        const mode = (await stat(path).catch(() => undefined))?.mode ?? 0;
        if ((mode & (constants.S_IROTH | constants.S_IWOTH)) !== 0) open.push(`${path} (${variable})`);
      }
      if (open.length === 0) return good(name, `${files.length}, for nobody else to read`);
      return warn(name, `Everybody on this host may read ${open.join(', ')}.`, 'chmod 600 them.');
    },
  };
}

/** Whether it can listen there; a port that is taken may be this very server's. */
export function listenCheck(host: string, port: number): Check {
  const name = 'address';
  return {
    name,
    fix: 'Choose an address of this host and a port that this user may have.',
    look: () =>
      new Promise((settle, reject) => {
        const server = createServer();
        server.once('error', (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EADDRINUSE') return reject(error);
          const fix = 'That is right if this server runs already; else choose another STARLING_PORT.';
          settle(warn(name, `Something listens on ${host}:${port}.`, fix));
        });
        server.listen({ host, port, exclusive: true }, () =>
          server.close(() => settle(good(name, port === 0 ? `${host}, any port` : `${host}:${port} is free`))),
        );
      }),
  };
}

/** A key as a file has it: `read` throws when it is none, and says its id. */
export function keyCheck(name: string, read: () => string): Check {
  return {
    name,
    fix: 'Make one with: openssl genpkey -algorithm ed25519, and its public half with: openssl pkey -pubout',
    look: async () => good(name, `Ed25519, ${read()}`),
  };
}
