import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { followTutorial } from '../documents/follow-tutorial.ts';
import { apiOf, type NpmStart, npmStart } from './npm-start.ts';
import { processesIn, temporaryFolder } from './starling-under-test.ts';

// `npm start` itself, as its own process.

let data: string;
let running: ChildProcess | undefined;

beforeAll(async () => {
  data = await temporaryFolder('start');
});
afterEach(() => {
  running?.kill('SIGKILL');
});
afterAll(() => rm(data, { recursive: true, force: true }));

function start(environment: Record<string, string> = {}, ...options: string[]): NpmStart {
  const started = npmStart(data, environment, ...options);
  running = started.child;
  return started;
}

it('does the main job on its first run, and then what docs/tutorial.md shows, command by command', async () => {
  const folder = await temporaryFolder('typed');
  try {
    const first = start();
    await followTutorial(first, data, folder);
    for (const step of [
      '12 machines of three regions answer',
      'Build: hello@',
      'Replicate to every region',
      'Deploy: deployment 1: 12 machines run it',
    ])
      expect(first.text()).toContain(step);
    expect(await first.interrupt(), first.text()).toBe(0);
    expect(first.text()).toContain('Stopped.');
    expect(await processesIn(data)).toEqual([]);
  } finally {
    // Whatever went wrong is to be said, and not that its folder was in use.
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
});

it('starts again where it was, moves off a port that is taken, says how to go on, and stops at Ctrl-C', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const taken = (other.address() as { port: number }).port;
  const again = start({ STARLING_PORT: String(taken) });
  try {
    await again.ready();
    expect(again.text()).toContain(`Port ${taken} for control is taken by another program; it listens on `);
    expect(again.text()).toContain('12 machines run what they were told to');
    expect(again.text()).toMatch(/Sign in {4}http:\/\/127\.0\.0\.1:\d+\/#sign-in=stl_/);
    expect(again.text().match(/^ {2}npx starling /gm)).toHaveLength(3);
    // Those of the tutorial, and none more: the main job is done once.
    const deployments = await (await apiOf(data)).api.deployments.list.query({});
    expect(deployments.map(({ status }) => status)).toEqual(['FAILED', ...Array(4).fill('SUCCEEDED')]);

    const second = start({}, '--exit-when-done');
    expect(await second.ended).toBe(1);
    expect(second.text()).toContain('Starling is already running on');
  } finally {
    other.close();
    again.child.kill('SIGINT');
  }
  expect(await again.ended, again.text()).toBe(0);
  expect(await processesIn(data)).toEqual([]);
});

it('takes over after it was killed, PostgreSQL still running', async () => {
  const first = start();
  await first.ready();
  const lock = JSON.parse(await readFile(join(data, 'running'), 'utf8')) as { pid: number };
  process.kill(lock.pid, 'SIGKILL');
  await first.ended;
  const second = start({}, '--exit-when-done');
  expect(await second.ended, second.text()).toBe(0);
  expect(second.text()).toContain('12 machines run what they were told to');
});

it.each([
  ['an option it does not know', {}, ['--fast'], /Unknown option '--fast'/],
  ['a port that is none', { STARLING_PORT: 'http' }, [], /STARLING_PORT must be a port number, found "http"/],
])('refuses %s', async (_, environment, options, reason) => {
  const refused = start(environment as Record<string, string>, ...options);
  expect(await refused.ended).toBe(1);
  expect(refused.text()).toMatch(reason);
});
