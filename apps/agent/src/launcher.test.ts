import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { slotName } from './slots/layout.ts';
import { sampleKey } from './testing/sample-build.ts';
import { eventually, Scene } from './testing/scene.ts';

// The launcher as a process, over a data folder as an agent leaves it, with stand-ins of agents that note that they began.

let folder: string;
let launcher: ChildProcess | undefined;
const data = () => join(folder, 'data');
const place = () => join(data(), 'projects/starling-agent');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-launcher-'));
  await mkdir(join(place(), 'slots'), { recursive: true });
  await agentIn(join(folder, 'installed'), 'installed', true);
  await cp(join(import.meta.dirname, '../launcher.mjs'), join(folder, 'installed/apps/agent/launcher.mjs'));
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

/** An agent that says that it is ready, or never does. */
async function agentIn(root: string, name: string, comesUp: boolean): Promise<void> {
  await mkdir(join(root, 'apps/agent/src'), { recursive: true });
  await writeFile(
    join(root, 'apps/agent/src/main.ts'),
    `import { appendFileSync } from 'node:fs';
appendFileSync(${JSON.stringify(join(folder, 'began'))}, '${name} ' + (process.env.STARLING_AGENT_FELL_BACK ?? '') + '\\n');
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));
${comesUp ? 'process.send?.({ ready: true });' : ''}
setInterval(() => {}, 1000);
`,
  );
}

/** What an agent does that updates its own project. */
async function commit(slot: string, deployment: number): Promise<void> {
  await rm(join(place(), 'current'), { force: true });
  await symlink(join('slots', slot), join(place(), 'current'));
  await writeFile(join(place(), 'journal.json'), JSON.stringify({ state: 'COMMITTED', current: { deployment } }));
}

function start(): void {
  launcher = spawn(process.execPath, [join(folder, 'installed/apps/agent/launcher.mjs')], {
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      STARLING_AGENT_DATA: data(),
      STARLING_AGENT_PROJECT: 'starling-agent',
      STARLING_AGENT_READY_SECONDS: '2',
    },
  });
}
async function stop(): Promise<void> {
  if (!launcher || launcher.exitCode !== null) return;
  const ended = new Promise((resolve) => launcher?.once('exit', resolve));
  launcher.kill('SIGTERM');
  await ended;
}
const began = async () =>
  (await readFile(join(folder, 'began'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
const until = (...names: string[]) =>
  eventually(
    `the agents ${names}`,
    async () => (await began()).map((line) => line.split(' ')[0]).join() === names.join(),
  );

describe('the launcher', { timeout: 30_000 }, () => {
  it('starts what is installed, then each agent that was committed, and after a restart the last one', async () => {
    start();
    await until('installed');
    await agentIn(join(place(), 'slots/one'), 'one', true);
    await commit('one', 1);
    await until('installed', 'one');
    await agentIn(join(place(), 'slots/two'), 'two', true);
    await commit('two', 2);
    await until('installed', 'one', 'two');
    const good = async () => JSON.parse(await readFile(join(data(), 'launcher.json'), 'utf8')).good;
    await eventually('it remembers', async () => (await good()) === 'two');
    await stop();
    start();
    await until('installed', 'one', 'two', 'two');
  });

  it('goes back from an agent that does not come up, says so to the one before, and tries it again when it is deployed again', async () => {
    await agentIn(join(place(), 'slots/one'), 'one', true);
    await commit('one', 1);
    start();
    await until('one');
    await agentIn(join(place(), 'slots/bad'), 'bad', false);
    await commit('bad', 2);
    await until('one', 'bad', 'one');
    const [, told] = /^one (.*)$/.exec((await began())[2] as string) as unknown as [string, string];
    expect(JSON.parse(told)).toEqual({ slot: 'bad', why: 'the agent of bad was not ready within 2 s' });
    await agentIn(join(place(), 'slots/bad'), 'bad', true);
    await commit('bad', 3);
    await until('one', 'bad', 'one', 'bad');
  });
});

it('an agent that was started in place of its successor takes that build back and reports why', async () => {
  const scene = await Scene.open();
  try {
    const [one, two] = [await scene.build('a1', 1), await scene.build('b2', 2)];
    await scene.start();
    for (const [index, { target }] of [one, two].entries()) {
      scene.hub.publishKey(sampleKey(index + 1, target));
      await scene.hub.untilStep('COMMITTED', index + 1);
    }
    await scene.stopAgent();
    const fellBack = { slot: slotName(two.target), why: 'the agent of b2 was not ready within 2 s' };
    await scene.start({ configChange: { agentProject: 'hello', fellBack } });
    const failed = await scene.hub.untilStep('FAILED', 2);
    expect(failed).toMatchObject({ observedBuild: one.target.build, detail: fellBack.why });
    expect(await scene.currentVersion()).toBe('a1');
    // Started so once more, it has nothing to take back.
    await scene.stopAgent();
    await scene.start({ configChange: { agentProject: 'hello', fellBack } });
    expect(scene.agent?.situationOf('hello')).toMatchObject({ state: 'FAILED', current: one.target });
  } finally {
    await scene.close();
  }
});
