import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from '@starling/host/process-mark.ts';
import { LaneKeys } from '@starling/swarm/lane-keys.ts';
import { openSwarm } from '@starling/swarm/open-swarm.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeHub } from './testing/fake-hub.ts';
import { manifestKey, publish, sampleBuild, sampleKey, versionKeyPair } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

// The agent as it is run: main.ts in a process of its own, with the real swarm.

describe('the agent process', () => {
  let scene: Scene;
  let child: ChildProcess;
  let output = '';
  beforeEach(async () => {
    scene = await Scene.open();
    output = '';
  });
  afterEach(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended();
    await scene.close();
  });

  async function startProcess(change: Record<string, string> = {}): Promise<void> {
    await mkdir(scene.folder, { recursive: true });
    const file = async (name: string, text: string) => {
      await writeFile(join(scene.folder, name), text);
      return join(scene.folder, name);
    };
    child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        STARLING_AGENT_DATA: scene.data,
        STARLING_MACHINE: 'm1',
        STARLING_REGION: 'eu',
        STARLING_HUB_URL: scene.hub.url,
        STARLING_ENROLMENT_TOKEN_FILE: await file('token', FakeHub.token),
        STARLING_MANIFEST_PUBLIC_KEYS: await file('manifest.pem', manifestKey.publicPem),
        STARLING_VERSION_PUBLIC_KEYS: await file('version.pem', versionKeyPair.publicPem),
        ...change,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child.stdout?.on('data', (bytes) => (output += bytes));
    child.stderr?.on('data', (bytes) => (output += bytes));
  }
  const ended = () =>
    child.exitCode !== null || child.signalCode !== null
      ? Promise.resolve(child.exitCode)
      : new Promise((resolve) => child.once('exit', resolve));

  /** A build of 3 MiB whose program runs, seeded by a real member of the swarm as a hub would. */
  async function deployThroughSwarm() {
    const tree = { 'run.sh': 'exec sleep 600\n', data: 'starling '.repeat(350_000) };
    const build = sampleBuild('a1', tree, { command: 'exec sh run.sh' });
    await publish(scene.folder, build);
    const secret = randomBytes(32).toString('base64');
    const keys = new LaneKeys();
    keys.set('hello', [secret]);
    const encryption = { mode: 'required' as const, keys };
    const seeder = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 10, encryption });
    await seeder.join(build.pack, join(scene.folder, 'packs', build.packSha256));
    scene.hub.publishKey(sampleKey(1, build.target, { swarm: { secret, madeAt: 1 } }));
    await scene.hub.until('an announcement', ({ frames }) => frames.some(({ type }) => type === 'announce'));
    scene.hub.send({ type: 'peers', infoHash: build.infoHash, peers: [seeder.address] });
    await scene.hub.untilStep('COMMITTED', 1);
    expect(await readFile(join(scene.project, 'current', 'data'), 'utf8')).toBe(tree.data);
    await seeder.close();
    return build;
  }

  it('fetches through the real swarm, and leaves its program running on SIGTERM', async () => {
    await startProcess();
    await deployThroughSwarm();
    const pid = await scene.programPid();
    child.kill('SIGTERM');
    expect(await ended()).toBe(0);
    expect(startOf(pid)).toBeDefined();
    const lines = output.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).msg)).toContain('stopped');
  });

  it('stops with its program when its parent is gone, where that is configured', async () => {
    await startProcess({ STARLING_PROGRAMS_ON_STOP: 'stop' });
    await deployThroughSwarm();
    const pid = await scene.programPid();
    child.disconnect();
    expect(await ended()).toBe(0);
    expect(startOf(pid)).toBeUndefined();
  });

  it('ends with 78 and the name of the variable when its configuration is wrong', async () => {
    await startProcess({ STARLING_REGION: 'Not A Region' });
    expect(await ended()).toBe(78);
    expect(output).toContain('STARLING_REGION');
  });

  it('ends with 69 and the reason when another agent has the data folder', async () => {
    await scene.start();
    await startProcess();
    expect(await ended()).toBe(69);
    await eventually('the reason', () => output.includes('is in use by the agent with pid'));
  });
});
