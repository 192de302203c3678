import { execFile, spawn } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, until } from './aria2.ts';
import { type Contestant, type Host, hostOf, loopback, type Race, type Racers } from './contestant.ts';
import { startTracker, torrentFile } from './tracker.ts';

const run = promisify(execFile);

/** Transmission calls nobody at 127.*, and takes two members at one address for the same: each gets its own, on `lo`. */
const aloneAt = (index: number): Host => ({ ...loopback, address: `10.213.77.${index + 1}` });

export const transmission: Contestant = {
  name: 'transmission',
  async version() {
    const found = await run('transmission-daemon', ['--version']).then(
      ({ stderr, stdout }) => /[\d.]+/.exec(stdout + stderr)?.[0] ?? '',
      () => undefined,
    );
    if (found === undefined) return { missing: 'apt install transmission-daemon' };
    if (process.getuid?.() !== 0) return { missing: 'only root may give each member the address that it needs' };
    return { version: found };
  },
  async start(race: Race): Promise<Racers> {
    const hosts = [race.seedFile, ...race.targets].map((_, index) =>
      race.hosts ? hostOf(race, index) : aloneAt(index),
    );
    const lend = async (verb: string) => {
      if (race.hosts) return;
      for (const { address } of hosts)
        await run('ip', ['addr', verb, `${address}/32`, 'dev', 'lo']).catch(() => undefined);
    };
    await lend('add');
    const tracker = await startTracker('0.0.0.0');
    const announce = tracker.url.replace('0.0.0.0', race.own ?? hosts[0]?.address ?? '');
    const torrent = join(race.folder, 'race.torrent');
    await writeFile(torrent, torrentFile(announce, Buffer.from(race.pack.torrent.info, 'base64')));
    const seedFolder = join(race.folder, 'transmission-seed');
    await mkdir(seedFolder, { recursive: true });
    await symlink(race.seedFile, join(seedFolder, 'pack'));
    const folders = [seedFolder, ...race.targets.map((target) => dirname(target))];
    const daemons = await Promise.all(
      folders.map((folder, index) => startDaemon(race.folder, index, hosts[index] ?? loopback, folder)),
    );
    const [seed, ...receivers] = daemons;
    if (!seed) throw new Error('no seed');
    const isComplete = async (daemon: Daemon) => {
      const { torrents } = await daemon.call('torrent-get', { fields: ['percentDone', 'status'] });
      return torrents?.[0]?.percentDone === 1 && (torrents[0].status ?? 0) >= 5;
    };
    await seed.call('torrent-add', { filename: torrent });
    await until(() => isComplete(seed));
    await until(async () => tracker.peers() > 0);
    return {
      pids: () => daemons.map(({ pid }) => pid),
      go: () =>
        receivers.map(async (daemon) => {
          await daemon.call('torrent-add', { filename: torrent });
          await until(() => isComplete(daemon));
        }),
      kill: (receiver) => void receivers[receiver]?.stop(),
      seedSentBytes: async () => {
        const { torrents } = await seed.call('torrent-get', { fields: ['uploadedEver'] });
        return torrents?.[0]?.uploadedEver ?? 0;
      },
      stop: async () => {
        await Promise.all(daemons.map((daemon) => daemon.stop()));
        tracker.close();
        await lend('del');
      },
    };
  },
};

interface Answer {
  torrents?: { percentDone?: number; status?: number; uploadedEver?: number }[];
}

interface Daemon {
  pid: number;
  call(method: string, more: object): Promise<Answer>;
  stop(): Promise<void>;
}

async function startDaemon(base: string, index: number, host: Host, folder: string): Promise<Daemon> {
  const config = join(base, `transmission-${index}`);
  await mkdir(config, { recursive: true });
  const rpcPort = await freePort();
  const settings = {
    'bind-address-ipv4': host.address,
    'cache-size-mb': 64,
    'dht-enabled': false,
    'download-dir': folder,
    encryption: 0,
    'lpd-enabled': false,
    'peer-port': 51_413,
    'pex-enabled': false,
    'port-forwarding-enabled': false,
    preallocation: 0,
    'rpc-authentication-required': false,
    'rpc-bind-address': host.address,
    'rpc-host-whitelist-enabled': false,
    'rpc-port': rpcPort,
    'rpc-whitelist-enabled': false,
    'upload-slots-per-torrent': 100,
    'utp-enabled': false,
  };
  await writeFile(join(config, 'settings.json'), JSON.stringify(settings));
  const [command = '', ...args] = [...host.within, 'transmission-daemon', '--foreground', '--config-dir', config];
  const child = spawn(command, args, { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let session = '';
  const ask = async (method: string, more: object): Promise<Answer | undefined> => {
    const response = await fetch(`http://${host.address}:${rpcPort}/transmission/rpc`, {
      method: 'POST',
      headers: { 'x-transmission-session-id': session },
      body: JSON.stringify({ method, arguments: more }),
    }).catch(() => undefined);
    session = response?.headers.get('x-transmission-session-id') ?? session;
    if (!response?.ok) return undefined;
    return ((await response.json()) as { arguments: Answer }).arguments;
  };
  const call = async (method: string, more: object): Promise<Answer> => {
    let answer: Answer | undefined;
    await until(async () => {
      answer = await ask(method, more);
      return answer !== undefined;
    });
    return answer ?? {};
  };
  await call('session-get', {});
  return {
    pid: child.pid ?? 0,
    call,
    stop: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
}
