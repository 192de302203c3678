import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const readyWithinMs = 30_000;

export interface EtcdServer {
  /** `http://host:port`, the same over restarts. */
  endpoint: string;
  /** Asks the gateway directly; throws when the answer is not a success. */
  ask(path: string, body: object): Promise<unknown>;
  /** As when its machine loses power: SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the data it has, or on none. Resolves when it answers. */
  restart(options?: { onNoData?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

/** What is missing to run etcd here, with the command that installs it; undefined when nothing is. */
export function missingForEtcd(): string | undefined {
  if (spawnSync('etcd', ['--version'], { stdio: 'ignore' }).status === 0) return undefined;
  return 'etcd is not installed: apt-get install -y --no-install-recommends etcd-server';
}

/** Starts an etcd of one member on loopback, empty. It ends with this process at the latest. */
export async function startEtcd(): Promise<EtcdServer> {
  for (let tries = 1; ; tries += 1) {
    const folder = await mkdtemp(join(tmpdir(), 'starling-etcd-'));
    const [clientPort, peerPort] = await freePorts();
    const server = new Etcd(folder, clientPort, peerPort);
    try {
      await server.restart();
      return server;
    } catch (thrown) {
      await server.stop();
      // Another process may have been faster to take a port.
      if (tries === 3) throw thrown;
    }
  }
}

class Etcd implements EtcdServer {
  readonly endpoint: string;
  readonly #folder: string;
  readonly #peer: string;
  #process: ChildProcess | undefined;
  #exited: Promise<unknown> = Promise.resolve();
  #output = '';
  readonly #killAtExit = () => this.#process?.kill('SIGKILL');

  constructor(folder: string, clientPort: number, peerPort: number) {
    this.#folder = folder;
    this.endpoint = `http://127.0.0.1:${clientPort}`;
    this.#peer = `http://127.0.0.1:${peerPort}`;
    process.on('exit', this.#killAtExit);
  }

  async ask(path: string, body: object): Promise<unknown> {
    const response = await fetch(this.endpoint + path, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${text}`);
    return JSON.parse(text);
  }

  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#exited;
    this.#process = undefined;
  }

  async restart({ onNoData = false } = {}): Promise<void> {
    await this.kill();
    const data = join(this.#folder, 'data');
    if (onNoData) await rm(data, { recursive: true, force: true });
    const { endpoint } = this;
    const addresses = { 'listen-client-urls': endpoint, 'advertise-client-urls': endpoint };
    const peers = { 'listen-peer-urls': this.#peer, 'initial-advertise-peer-urls': this.#peer };
    const settings = { name: 'test', 'data-dir': data, 'initial-cluster': `test=${this.#peer}`, logger: 'zap' };
    const flags = Object.entries({ ...settings, ...addresses, ...peers }).flatMap(([flag, value]) => [
      `--${flag}`,
      value,
    ]);
    const started = spawn('etcd', [...flags, '--log-level', 'error'], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = started;
    this.#exited = once(started, 'exit');
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk) => {
        this.#output = (this.#output + chunk).slice(-4_000);
      });
    }
    await this.#ready(started);
  }

  async stop(): Promise<void> {
    await this.kill();
    process.off('exit', this.#killAtExit);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #ready(started: ChildProcess): Promise<void> {
    const deadline = Date.now() + readyWithinMs;
    while (Date.now() < deadline && started.exitCode === null && started.signalCode === null) {
      const health = await fetch(`${this.endpoint}/health`, { signal: AbortSignal.timeout(1_000) }).then(
        (response) => response.text(),
        () => '',
      );
      if (health.includes('"true"')) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`etcd did not start: ${this.#output}`);
  }
}

/** Two ports that are free now. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0]!, ports[1]!];
}
