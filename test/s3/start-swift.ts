import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const python = '/usr/bin/python3';
const portsNeeded = 5;
const readyWithinMs = 50_000;

export interface S3Server {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  stop(): Promise<void>;
}

/** What is missing to run Swift here, with the command that installs it; undefined when nothing is. */
export function missingForSwift(): string | undefined {
  const swift = spawnSync(python, ['-c', 'import swift.common.wsgi'], { stdio: 'ignore' }).status === 0;
  const memcached = spawnSync('memcached', ['--version'], { stdio: 'ignore' }).status === 0;
  if (swift && memcached) return undefined;
  const missing = [swift ? '' : 'python3-swift', memcached ? '' : 'memcached'].filter((name) => name !== '').join(' ');
  return `${missing} is not installed: apt-get install -y --no-install-recommends ${missing}`;
}

/** Starts an S3 server of its own: OpenStack Swift on loopback, empty. It ends with this process at the latest. */
export async function startSwift(): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-swift-'));
  let failure = '';
  for (let tries = 0; tries < 3; tries += 1) {
    const port = await freePorts();
    const server = spawn(python, [join(import.meta.dirname, 'swift-server.py'), folder, String(port)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    failure = '';
    server.stderr.on('data', (chunk) => {
      failure = (failure + chunk).slice(-4_000);
    });
    const exited = once(server, 'exit');
    const stop = async () => {
      server.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    };
    const ready = await Promise.race([
      once(createInterface({ input: server.stdout }), 'line').then(() => true),
      exited.then(() => false),
      new Promise<boolean>((resolve) => setTimeout(resolve, readyWithinMs, false).unref()),
    ]);
    if (ready)
      return {
        endpoint: `http://127.0.0.1:${port}`,
        region: 'us-east-1',
        credentials: { accessKeyId: 'test:tester', secretAccessKey: 'testing' },
        stop,
      };
    server.kill('SIGTERM');
    await exited;
  }
  const log = await readFile(join(folder, 'proxy.log'), 'utf8').catch(() => '');
  await rm(folder, { recursive: true, force: true });
  throw new Error(`Swift did not start: ${failure}\n${log.slice(-2_000)}`);
}

/** The first of several neighbouring ports that are free now; another process may still be faster to take one. */
async function freePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await Promise.all(Array.from({ length: portsNeeded }, (_, index) => isFree(first + index)));
    if (free.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
