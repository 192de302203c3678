import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';

// A network of its own (a namespace) behind one link, for a region that can be cut off: its processes reach each other by their
// own loopback, and ours only through the link. What listens on our loopback alone is reached by relays at our end of it.

export interface FarNetwork {
  /** The far end of the link, from here. */
  address: string;
  /** Passes connections to our end of the link on to `target`; the port there. */
  relay(target: NetConnectOpts): Promise<{ host: string; port: number }>;
  /** A Node program in there; it ends with this process at the latest. */
  start(program: string, programArguments: string[], environment: Record<string, string>, logFile: string): FarProcess;
  /** From now on nothing comes through, in either direction, and nobody is told. */
  cut(): void;
  mend(): void;
  /** Ends what was started in there, and takes the network away. */
  remove(): Promise<void>;
}

export interface FarProcess {
  pid: number;
  stop(): Promise<void>;
}

const ip = (...commandLine: string[]) => execFileSync('ip', commandLine, { stdio: ['ignore', 'ignore', 'pipe'] });

/** Why there can be no such network here; undefined when there can. */
export function whyNoFarNetwork(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may make a network namespace';
  const name = `starling-try-${process.pid}`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return undefined;
  } catch (thrown) {
    return `no network namespace can be made: ${(thrown as Error).message.trim()}`;
  }
}

export function openFarNetwork(): FarNetwork {
  const name = `starling-${process.pid}`;
  const [near, far] = [`sn${process.pid}`, `sf${process.pid}`];
  // Of the range that is for measurements (RFC 2544): no real network has it.
  const base = `198.18.${process.pid % 250}`;
  const [ourAddress, address] = [`${base}.1`, `${base}.2`];
  ip('netns', 'add', name);
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name);
  ip('addr', 'add', `${ourAddress}/30`, 'dev', near);
  ip('link', 'set', near, 'up');
  for (const inside of [
    ['addr', 'add', `${address}/30`, 'dev', far],
    ['link', 'set', far, 'up'],
    ['link', 'set', 'lo', 'up'],
  ]) {
    ip('-n', name, ...inside);
  }
  const processes: FarProcess[] = [];
  const sockets = new Set<Socket>();
  const servers: { close: () => void }[] = [];
  return {
    address,
    relay: (target) =>
      new Promise((resolve, reject) => {
        const server = createServer((from) => {
          const to = connect(target);
          for (const [one, other] of [
            [from, to],
            [to, from],
          ] as const) {
            sockets.add(one);
            one.pipe(other);
            one.once('error', () => other.destroy());
            one.once('close', () => {
              sockets.delete(one);
              other.destroy();
            });
          }
        });
        servers.push(server);
        server.once('error', reject);
        server.listen(0, ourAddress, () => {
          const { port } = server.address() as { port: number };
          resolve({ host: ourAddress, port });
        });
      }),
    start: (program, programArguments, environment, logFile) => {
      const log = openSync(logFile, 'a');
      const child = spawn('ip', ['netns', 'exec', name, process.execPath, program, ...programArguments], {
        env: environment,
        detached: true,
        stdio: ['ignore', log, log, 'ipc'],
      });
      closeSync(log);
      const ended = new Promise<void>((resolve) => {
        child.once('exit', () => resolve());
        child.once('error', () => resolve());
      });
      const stop = async () => {
        child.kill('SIGTERM');
        const tooLong = setTimeout(() => child.kill('SIGKILL'), 20_000);
        await ended;
        clearTimeout(tooLong);
      };
      const started = { pid: child.pid!, stop };
      processes.push(started);
      return started;
    },
    cut: () => void ip('link', 'set', near, 'down'),
    mend: () => {
      ip('link', 'set', near, 'up');
    },
    remove: async () => {
      // The last that was started ends first: agents before their hub.
      for (const each of processes.toReversed()) await each.stop();
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
      ip('link', 'del', near);
      ip('netns', 'del', name);
    },
  };
}
