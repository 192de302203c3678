import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectApi } from '@starling/local/api-client.ts';
import type { LocalAccess } from '@starling/shared/data-folder.ts';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { processesIn, temporaryFolder } from './starling-under-test.ts';

// `npm start` itself, as its own process.

const bootstrap = fileURLToPath(new URL('../../apps/local/bootstrap.mjs', import.meta.url));
const cli = fileURLToPath(new URL('../../apps/cli/bin/starling.mjs', import.meta.url));
let data: string;
let running: ChildProcess | undefined;

beforeAll(async () => {
  data = await temporaryFolder('start');
});
afterEach(() => {
  running?.kill('SIGKILL');
});
afterAll(() => rm(data, { recursive: true, force: true }));

function npmStart(environment: Record<string, string>, ...options: string[]) {
  const child = spawn(process.execPath, [bootstrap, 'start', ...options], {
    env: { ...process.env, STARLING_DATA: data, ...environment },
  });
  running = child;
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, text: () => text, ended: once(child, 'exit').then(([code]) => code as number | null) };
}

it('does the main job on its first run and leaves with 0', async () => {
  const start = npmStart({ STARLING_PORT: '0' }, '--exit-when-done');
  expect(await start.ended, start.text()).toBe(0);
  for (const step of [
    '12 machines of three regions answer',
    'Build: hello@',
    'Replicate to every region',
    'Deploy: deployment 1: 12 machines run it',
    'Stopped.',
  ]) {
    expect(start.text()).toContain(step);
  }
  expect(await processesIn(data)).toEqual([]);
});

it('starts again where it was, moves off a port that is taken, says how to go on, and stops at Ctrl-C', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const taken = (other.address() as { port: number }).port;
  const start = npmStart({ STARLING_PORT: String(taken) });
  try {
    await vi.waitFor(() => expect(start.text()).toContain('Ctrl-C stops everything'), {
      timeout: 120_000,
      interval: 100,
    });
    expect(start.text()).toContain(`Port ${taken} for control is taken by another program; it listens on `);
    expect(start.text()).toContain('12 machines run what they were told to');
    expect(start.text()).toMatch(/Sign in {4}http:\/\/127\.0\.0\.1:\d+\/#sign-in=stl_/);
    expect(start.text().match(/^ {2}npx starling /gm)).toHaveLength(3);
    const access = JSON.parse(await readFile(join(data, 'local.json'), 'utf8')) as LocalAccess;
    const deployments = await connectApi(access.server, access.token).deployments.list.query({});
    expect(deployments.map(({ status }) => status)).toEqual(['SUCCEEDED']);

    const second = npmStart({ STARLING_PORT: '0' }, '--exit-when-done');
    expect(await second.ended).toBe(1);
    expect(second.text()).toContain('Starling is already running on');
  } finally {
    other.close();
    start.child.kill('SIGINT');
  }
  expect(await start.ended, start.text()).toBe(0);
  expect(await processesIn(data)).toEqual([]);
});

it('does what the tutorial shows, command by command', async () => {
  const text = await readFile(fileURLToPath(new URL('../../docs/tutorial.md', import.meta.url)), 'utf8');
  const commands = [...text.matchAll(/^```sh\n(.*?)^```/gms)]
    .flatMap(([, block]) => block!.trim().split('\n'))
    .filter((line) => line.startsWith('npx starling '));
  const start = npmStart({ STARLING_PORT: '0' });
  await vi.waitFor(() => expect(start.text()).toContain('Ctrl-C stops everything'), {
    timeout: 120_000,
    interval: 100,
  });
  let build = '';
  const codes: string[] = [];
  for (const command of commands) {
    const typed = command.replace(/<[^>]*build>/, build).slice('npx starling '.length);
    const { code, output } = await runCli(typed);
    build = /^build /.test(typed) ? (/hello@[0-9a-f]{12}/.exec(output)?.[0] ?? '') : build;
    codes.push(`${typed.split(' ')[0]} ${code}`);
    if (code !== 0) expect(output).toMatch(/went back|FAILED/);
  }
  // The second deployment is the bad release, which takes itself back.
  expect(codes).toEqual(['build 0', 'builds 0', 'deploy 0', 'status 0', 'build 0', 'deploy 1', 'rollback 0']);
  start.child.kill('SIGINT');
  expect(await start.ended, start.text()).toBe(0);
});

async function runCli(typed: string): Promise<{ code: number | null; output: string }> {
  const child = spawn('sh', ['-c', `"$0" "$1" ${typed}`, process.execPath, cli], {
    env: { ...process.env, STARLING_DATA: data },
    timeout: 180_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = await once(child, 'close');
  return { code, output };
}

it('takes over after it was killed, PostgreSQL still running', async () => {
  const first = npmStart({ STARLING_PORT: '0' });
  await vi.waitFor(() => expect(first.text()).toContain('Ctrl-C stops everything'), {
    timeout: 120_000,
    interval: 100,
  });
  const lock = JSON.parse(await readFile(join(data, 'running'), 'utf8')) as { pid: number };
  process.kill(lock.pid, 'SIGKILL');
  await first.ended;
  const second = npmStart({ STARLING_PORT: '0' }, '--exit-when-done');
  expect(await second.ended, second.text()).toBe(0);
  expect(second.text()).toContain('12 machines run what they were told to');
});

it.each([
  ['an option it does not know', {}, ['--fast'], /Unknown option '--fast'/],
  ['a port that is none', { STARLING_PORT: 'http' }, [], /STARLING_PORT must be a port number, found "http"/],
])('refuses %s', async (_, environment, options, reason) => {
  const start = npmStart(environment as Record<string, string>, ...options);
  expect(await start.ended).toBe(1);
  expect(start.text()).toMatch(reason);
});
