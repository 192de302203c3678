import { execFile, spawn } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Contestant, type Host, hostOf, type Race, type Racers } from './contestant.ts';
import { startTracker, torrentFile } from './tracker.ts';

const pollEveryMs = 10;

interface Daemon {
  pid: number;
  call(method: string): Promise<Record<string, string>>;
  stop(): Promise<void>;
}

export const aria2: Contestant = {
  name: 'aria2',
  version: () =>
    promisify(execFile)('aria2c', ['--version']).then(
      ({ stdout }) => ({ version: stdout.split('\n')[0]?.replace('aria2 version ', '') ?? '' }),
      () => ({ missing: 'apt install aria2' }),
    ),
  async start(race: Race): Promise<Racers> {
    const tracker = await startTracker(race.own ?? '127.0.0.1');
    const torrent = join(race.folder, 'race.torrent');
    await writeFile(torrent, torrentFile(tracker.url, Buffer.from(race.pack.torrent.info, 'base64')));
    // It takes the name of the file from the torrent, so the seed's bytes are linked to where it looks.
    const seedFolder = join(race.folder, 'aria2-seed');
    await mkdir(seedFolder);
    await symlink(race.seedFile, join(seedFolder, 'pack'));
    const seedMode = ['--bt-seed-unverified=true', '--check-integrity=false'];
    const daemons = [await startDaemon(hostOf(race, 0), torrent, seedFolder, seedMode)];
    const seed = daemons[0] as Daemon;
    await until(async () => Number((await seed.call('aria2.tellActive')).completedLength) === race.pack.sizeBytes);
    // Whoever is told of nobody asks again only much later.
    await until(async () => tracker.peers() > 0);
    return {
      pids: () => daemons.map(({ pid }) => pid),
      go: () =>
        race.targets.map(async (target, index) => {
          const daemon = await startDaemon(hostOf(race, index + 1), torrent, dirname(target), []);
          daemons[index + 1] = daemon;
          await until(
            async () => Number((await daemon.call('aria2.tellActive')).completedLength) === race.pack.sizeBytes,
          );
        }),
      kill: (receiver) => void daemons[receiver + 1]?.stop(),
      seedSentBytes: async () => Number((await seed.call('aria2.tellActive')).uploadLength),
      stop: async () => {
        await Promise.all(daemons.map((daemon) => daemon.stop()));
        tracker.close();
      },
    };
  },
};

async function startDaemon(host: Host, torrent: string, folder: string, more: readonly string[]): Promise<Daemon> {
  const [rpcPort, port] = [await freePort(), await freePort()];
  const [command = '', ...args] = [...host.within, 'aria2c'];
  const child = spawn(
    command,
    [
      ...args,
      ...[
        '--enable-rpc',
        '--rpc-listen-all=true',
        `--rpc-listen-port=${rpcPort}`,
        `--listen-port=${port}`,
        `--dir=${folder}`,
        '--quiet',
      ],
      ...['--enable-dht=false', '--enable-dht6=false', '--bt-enable-lpd=false', '--enable-peer-exchange=false'],
      ...['--seed-ratio=0.0', '--bt-max-peers=0', '--bt-request-peer-speed-limit=10000M', '--max-upload-limit=0'],
      ...['--file-allocation=none', '--disk-cache=64M', '--bt-tracker-interval=1', '--allow-overwrite=true', ...more],
      torrent,
    ],
    { stdio: 'ignore' },
  );
  const call = async (method: string) => {
    try {
      const response = await fetch(`http://${host.address}:${rpcPort}/jsonrpc`, {
        method: 'POST',
        body: JSON.stringify({ jsonrpc: '2.0', id: '1', method, params: [] }),
      });
      const { result } = (await response.json()) as { result?: Record<string, string>[] };
      return result?.[0] ?? {};
    } catch {
      return {};
    }
  };
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid ?? 0,
    call,
    stop: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function until(isSo: () => Promise<boolean>, timeoutMs = 300_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('not within the time there is');
    await new Promise((resolve) => setTimeout(resolve, pollEveryMs));
  }
}
