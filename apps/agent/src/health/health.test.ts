import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, createServer, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@starling/shared/clock.ts';
import type { HealthCheck } from '@starling/shared/manifest.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProgramHost } from '../supervise/program-host.ts';
import { plainRun } from '../testing/sample-build.ts';
import { probe } from './probe.ts';
import { untilHealthy } from './until-healthy.ts';

const never = new AbortController().signal;
const environment = { PATH: '/usr/local/bin:/usr/bin:/bin' };
let folder: string;
const servers: (Server | TcpServer)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-health-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true });
});

async function listen(server: Server | TcpServer, host = '127.0.0.1'): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}
const look = (check: HealthCheck, port: number | null = null, signal = never) =>
  probe({ check, port, folder, environment }, signal);

describe('a probe', () => {
  it('asks over HTTP: 200 to 399 is healthy, everything else is told', async () => {
    const port = await listen(
      createHttpServer((request, response) => {
        const status = Number(request.url?.slice(1));
        if (Number.isInteger(status)) response.writeHead(status).end('x'.repeat(100_000));
      }),
    );
    const http = (path: string) => look({ type: 'http', path, timeoutMs: 300 }, port);
    expect(await http('/200')).toBeUndefined();
    expect(await http('/302')).toBeUndefined();
    expect(await http('/404')).toBe('GET /404: HTTP 404');
    expect(await http('/503')).toContain('HTTP 503');
    expect(await http('/hangs')).toContain('no answer within 300 ms');
  });

  it('finds a program that listens on IPv6 only', async () => {
    const port = await listen(
      createHttpServer((_, response) => response.end()),
      '::1',
    );
    expect(await look({ type: 'http', path: '/', timeoutMs: 1_000 }, port)).toBeUndefined();
  });

  it('connects over TCP', async () => {
    const server = createServer((socket) => socket.end());
    const port = await listen(server);
    const tcp: HealthCheck = { type: 'tcp', timeoutMs: 1_000 };
    expect(await look(tcp, port)).toBeUndefined();
    await new Promise((resolve) => server.close(resolve));
    expect(await look(tcp, port)).toBe('connecting to its port: ECONNREFUSED');
    expect(await look(tcp, null)).toContain('no port');
  });

  it('runs a command in the slot and ends one that hangs, with its children', async () => {
    await writeFile(join(folder, 'ready'), '');
    const command = (text: string) => look({ type: 'command', command: text, timeoutMs: 300 });
    expect(await command('test -f ready')).toBeUndefined();
    expect(await command('echo no; exit 4')).toBe('the health command ended with code 4: no');
    expect(await command('sleep 600 & echo waiting; wait')).toBe(
      'the health command: no answer within 300 ms: waiting',
    );
    // Something left in the background that holds the output open does not hold up the answer.
    expect(await command('sleep 5 & exit 0')).toBeUndefined();
  });
});

describe('waiting until healthy', () => {
  const window = { intervalMs: 20, minHealthyTimeMs: 100, deadlineMs: 5_000 };
  const launch = async (command: string) => {
    const programs = new ProgramHost({ project: 'hello', projectFolder: folder, environment, clock: systemClock });
    const target = { build: 'hello@0123456789ab', manifestDigest: 'a'.repeat(64), deployment: 1 };
    return { programs, program: await programs.launch(target, { ...plainRun, command }, folder, 'update') };
  };
  const target = (check: HealthCheck, port: number | null = null) => ({ check, port, folder, environment });

  it('begins the healthy time anew after each failure', async () => {
    const answers = [200, 500, 200];
    let failedAt = 0;
    const port = await listen(
      createHttpServer((_, response) => {
        const status = answers.shift() ?? 200;
        if (status === 500) failedAt = Date.now();
        response.writeHead(status).end();
      }),
    );
    const { program, programs } = await launch('exec sleep 600');
    const check: HealthCheck = { type: 'http', path: '/', timeoutMs: 1_000 };
    expect(await untilHealthy(target(check, port), program, window, systemClock, never)).toBeUndefined();
    expect(failedAt).toBeGreaterThan(0);
    expect(Date.now() - failedAt).toBeGreaterThanOrEqual(window.minHealthyTimeMs);
    await programs.stop(0, never);
  });

  it('ends at once when the program exits', async () => {
    const { program } = await launch('exit 5');
    const found = await untilHealthy(
      target({ type: 'none' }),
      program,
      { ...window, minHealthyTimeMs: 60_000, deadlineMs: 120_000 },
      systemClock,
      never,
    );
    expect(found).toBe('the program exited with code 5 before it was healthy');
  });

  it('gives up at the deadline and says how the last probe failed', async () => {
    const check: HealthCheck = { type: 'command', command: 'exit 9', timeoutMs: 1_000 };
    const found = await untilHealthy(target(check), undefined, { ...window, deadlineMs: 100 }, systemClock, never);
    expect(found).toBe('not healthy within 100 ms: the health command ended with code 9');
  });

  it('takes one passed probe for a build without a program', async () => {
    const check: HealthCheck = { type: 'command', command: 'echo once >> probes', timeoutMs: 1_000 };
    const slow = { ...window, minHealthyTimeMs: 600_000 };
    expect(await untilHealthy(target(check), undefined, slow, systemClock, never)).toBeUndefined();
  });
});
