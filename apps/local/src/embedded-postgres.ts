import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import postgres from 'postgres';
import { preparePostgresProgram, unreachablePart } from './postgres-program.ts';

const run = promisify(execFile);
const version = '18.4';
const readyDeadlineMs = 30_000;
/** The longest path of a Unix socket, less PostgreSQL's own file name in it. */
const longestSocketFolder = 107 - '/.s.PGSQL.5432.lock'.length;

export interface EmbeddedPostgres {
  /** For `connect`: `postgres://starling@localhost/<name>?host=<socket folder>`. */
  urlOf(database: string): string;
  /** Whether a server that was already running on this folder was taken over. */
  adopted: boolean;
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Holds the cluster, its socket and its log. */
  folder: string;
  /** Server settings beside the fixed ones, as name and value. */
  settings?: Record<string, string>;
  clock?: Clock;
}

/**
 * A real PostgreSQL server on a folder, reached through a Unix socket only its owner (and root) can open. It outlives
 * a killed parent; the next start on the same folder takes it over.
 */
export async function startEmbeddedPostgres({
  folder,
  settings = {},
  clock = systemClock,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const data = join(folder, 'data');
  const sockets = join(folder, 'run');
  const socketFolder =
    Buffer.byteLength(sockets) <= longestSocketFolder
      ? sockets
      : join(tmpdir(), `starling-pg-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`);
  const urlOf = (database: string) =>
    `postgres://starling@localhost/${database}?host=${encodeURIComponent(socketFolder)}`;

  await mkdir(folder, { recursive: true });
  const user = await unprivilegedUser();
  if (user) {
    const closed = await unreachablePart(folder);
    if (closed) {
      throw new StarlingError(
        'INVALID_INPUT',
        `PostgreSQL refuses to run as root, and its user "${user.name}" cannot enter ${closed}`,
        {
          field: 'STARLING_DATA',
          fix: `Choose another folder with STARLING_DATA, or allow it with: chmod o+x ${closed}`,
        },
      );
    }
  }
  const program = await preparePostgresProgram(join(folder, `program-${version}`), user !== undefined);
  const identity = user ? { uid: user.uid, gid: user.gid } : {};
  const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  for (const own of [data, socketFolder]) {
    await mkdir(own, { recursive: true, mode: 0o700 });
    await chmod(own, 0o700);
    if (user) await chown(own, user.uid, user.gid);
  }

  const adopted = (await runningPid(data)) !== undefined;
  if (!adopted) {
    if (!existsSync(join(data, 'PG_VERSION'))) await initialize();
    // Left by a server that was killed; a stale one only delays.
    await rm(join(socketFolder, '.s.PGSQL.5432.lock'), { force: true });
    launch();
  }
  await untilReady();
  return {
    urlOf,
    adopted,
    stop: async () => {
      const pid = await runningPid(data);
      if (pid === undefined) return;
      // SIGINT is PostgreSQL's fast shutdown: sessions are ended, everything is flushed.
      process.kill(pid, 'SIGINT');
      const until = clock.now() + 15_000;
      while ((await runningPid(data)) !== undefined) {
        if (clock.now() > until) {
          process.kill(pid, 'SIGQUIT');
          return;
        }
        await clock.sleep(25);
      }
    },
  };

  async function initialize(): Promise<void> {
    try {
      const options = ['-D', data, '-U', 'starling', '--auth=trust', '--encoding=UTF8', '--locale=C'];
      await run(join(program, 'bin/initdb'), options, { ...identity, cwd: '/', env: environment, timeout: 120_000 });
    } catch (cause) {
      await rm(data, { recursive: true, force: true });
      throw new StarlingError(
        'UNAVAILABLE',
        `PostgreSQL could not set up ${data}: ${messageOf(cause).split('\n').slice(-3).join(' ')}`,
        { cause },
      );
    }
  }

  function launch(): void {
    const log = openSync(join(folder, 'postgres.log'), 'a');
    const fixed = {
      listen_addresses: '',
      unix_socket_directories: socketFolder,
      unix_socket_permissions: '0700',
      max_connections: '200',
      ...settings,
    };
    const options = Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(join(program, 'bin/postgres'), ['-D', data, ...options], {
      ...identity,
      cwd: '/',
      env: environment,
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.on('error', () => {});
    child.unref();
  }

  async function untilReady(): Promise<void> {
    const until = clock.now() + readyDeadlineMs;
    for (;;) {
      const client = postgres({
        host: socketFolder,
        user: 'starling',
        database: 'postgres',
        max: 1,
        connect_timeout: 5,
        onnotice: () => {},
      });
      try {
        await client`select 1`;
        return;
      } catch (cause) {
        if (clock.now() > until) {
          const log = await readFile(join(folder, 'postgres.log'), 'utf8').catch(() => '');
          throw new StarlingError(
            'UNAVAILABLE',
            `PostgreSQL on ${folder} did not become ready: ${log.trim().split('\n').slice(-3).join(' | ') || messageOf(cause)}`,
            { cause },
          );
        }
        await clock.sleep(30);
      } finally {
        await client.end({ timeout: 1 }).catch(() => {});
      }
    }
  }
}

/** Makes sure that the database exists. */
export async function createDatabase(server: EmbeddedPostgres, name: string, template?: string): Promise<void> {
  const url = new URL(server.urlOf('postgres'));
  const host = url.searchParams.get('host') ?? '';
  const client = postgres({ host, user: 'starling', database: 'postgres', max: 1, onnotice: () => {} });
  try {
    const [known] = await client`select 1 from pg_database where datname = ${name}`;
    if (!known) await client.unsafe(`create database "${name}"${template ? ` template "${template}"` : ''}`);
  } finally {
    await client.end({ timeout: 5 });
  }
}

/** The process that holds the cluster, if one does. */
async function runningPid(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(text.split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  try {
    process.kill(pid, 0);
  } catch {
    return undefined;
  }
  // After a reboot the number may be another program's.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'postgres');
  return command.includes('postgres') ? pid : undefined;
}

/** As root: the user that PostgreSQL runs as, `postgres` where there is one, else `nobody`. */
async function unprivilegedUser(): Promise<{ name: string; uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const account = accounts.find((fields) => fields[0] === name);
    if (account) return { name, uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new StarlingError(
    'UNAVAILABLE',
    'PostgreSQL refuses to run as root, and there is no user "postgres" or "nobody"',
    {
      fix: 'Run npm start as an ordinary user.',
    },
  );
}
