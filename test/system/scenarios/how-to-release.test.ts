import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeSampleRepository } from '@starling/local/sample-repository.ts';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type Fill, openReader, type ReaderOptions } from '../../documents/reader.ts';
import { sampleFill } from '../npm-start.ts';
import { commit, type StarlingUnderTest, startUnderTest } from '../starling-under-test.ts';
import { startExtraMachine } from './extra-machine.ts';
import { newBuild } from './shop.ts';

// README and what docs/how-to says to those who release, followed with a fleet of two regions and a machine that is a canary.

const run = promisify(execFile);
const patience = { timeout: 60_000, interval: 200 };
let starling: StarlingUnderTest;
let canary: Awaited<ReturnType<typeof startExtraMachine>>;
/** Builds of `shop`, each of which ran everywhere, oldest first. */
const ran: string[] = [];

beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 1, regions: ['eu', 'us'] });
  canary = await startExtraMachine(starling, 'eu-web-007', 'eu', { STARLING_LABELS: 'group=canary' });
  for (let number = 1; number <= 4; number += 1) {
    const build = await newBuild(starling);
    ran.push(build);
    expect(await over(await begin(build))).toMatchObject({ status: 'SUCCEEDED' });
  }
});
afterEach(async () => {
  await starling.api.projects.configure.mutate({ project: 'shop', settings: {} });
  const newest = await newestOf('shop');
  if (/RUNNING|WAITING/.test(newest.status)) await starling.api.deployments.abort.mutate({ id: newest.id });
  await over(newest.id);
});
afterAll(async () => {
  await canary?.child.stop();
  await starling?.discard();
});

const newestOf = async (project: string) => (await starling.api.deployments.list.query({ project, limit: 1 }))[0]!;
const newestId = async () => String((await newestOf('shop')).id);
async function begin(build: string, rollout?: object): Promise<number> {
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build, ...(rollout && { rollout }) });
  return id;
}
const over = (id: number) =>
  vi.waitFor(async () => {
    const deployment = await starling.api.deployments.get.query({ id });
    expect(deployment.status, JSON.stringify(deployment.regions)).not.toMatch(/RUNNING|WAITING/);
    return deployment;
  }, patience);
const digits = (build: string) => build.split('@')[1]!.slice(0, 8);

/** Each document has a folder of its own to type in. */
async function read(path: string, fill: Fill = {}, more: Partial<ReaderOptions> = {}) {
  const folder = join(starling.data, 'typed', path.replaceAll(/\W/g, '-'));
  await mkdir(folder, { recursive: true });
  return { folder, reader: await openReader(path, { data: starling.data, folder, fill, ...more }) };
}

it('README.md', async () => {
  await makeSampleRepository(join(starling.data, 'sample', 'hello'), process.env.PATH!);
  expect((await starling.cli('project', 'add', 'hello', join(starling.data, 'sample', 'hello'))).code).toBe(0);
  const first = await starling.api.jobs.create.mutate({ project: 'hello', ref: 'v1' });
  const fills = sampleFill(starling.data);
  const v2 = fills['<build of v2>']!;
  await vi.waitFor(async () => {
    const [build] = await starling.api.builds.list.query({ project: 'hello', limit: 1 });
    expect(build, `job ${first.id}`).toMatchObject({ deployable: true });
    await starling.api.deployments.deploy.mutate({ project: 'hello', build: build!.id });
  }, patience);
  await over((await newestOf('hello')).id);
  const mine = join(starling.data, 'repositories', 'mine');
  await commit(mine, { 'starling.yml': 'version: 1\nbuild: { command: mkdir out, artifact: out }\n' });
  const { reader } = await read('README.md', { '<build>': v2, '/path/or/url/of/a/repository': mine });
  const tried = await reader.follow('Try it');
  expect(tried.of('status').output).toContain('hello');
  expect(tried.of('rollback').output).toMatch(/3 machines run it/);
  await reader.end();
});

it('release-your-repository', async () => {
  const repository = join(starling.data, 'repositories', 'theirs');
  const recipe = `version: 1
build: { command: mkdir out && date > out/here, artifact: out }
run: { command: exec sleep 100000 }
health: { command: test -e here, interval: 100ms, minHealthyTime: 300ms }\n`;
  const sha = await commit(repository, { 'starling.yml': recipe });
  const { reader } = await read('docs/how-to/release-your-repository.md', {
    mine: 'theirs',
    'https://git.example.org/team/mine.git': repository,
    '<build>': sha.slice(0, 12),
    '<job>': async () => String((await starling.api.jobs.list.query({ project: 'theirs', limit: 1 }))[0]!.id),
    '<number>': async () => String((await newestOf('theirs')).id),
  });
  const deployable = async () => {
    const [build] = await starling.api.builds.list.query({ project: 'theirs', limit: 1 });
    expect(build).toMatchObject({ deployable: true });
  };
  const released = await reader.follow('Release a repository of yours', {
    before: { 'deploy mine': () => vi.waitFor(deployable, patience) },
  });
  expect(released.of('deploy mine').output).toMatch(/3 machines run it/);
  expect((await reader.mention('When the build fails', 'jobs mine')).output).toContain('SUCCEEDED');
  await reader.mention('When the build fails', 'logs <job>');
  await reader.mention('When machines do not become healthy', 'deployment <number>');
  await reader.end();
});

it('rollouts', async () => {
  const [before, last] = ran.slice(-2) as [string, string];
  const { reader } = await read('docs/how-to/rollouts.md', {
    '1a2b3c': digits(last),
    'shop@1a2b3c4d5e6f': before,
    'shop@2b3c4d5e6f1a': last,
    '17': newestId,
  });
  const waves = await reader.follow('Say in which waves');
  waves.saw('`--dry-run` names the machines of each wave, in order', 'deploy shop 1a2b3c --wave', /1\. .*eu-web-007/);
  waves.saw('how long it takes at least', 'deploy shop 1a2b3c --wave', /takes 10 m at least/);
  expect(await over((await newestOf('shop')).id)).toMatchObject({ status: 'SUCCEEDED' });
  const changed = await reader.follow('See what changes');
  changed.saw('which files came, went and changed', 'diff', /stamp/);

  const bad = await newBuild(starling, { health: '{ command: "false", interval: 100ms, healthyDeadline: 2s }' });
  const failing = { autoRevert: false, waves: [{ labels: { group: 'canary' }, bakeTime: '1h' }] };
  const halted = await begin(bad, failing);
  const halts = () =>
    vi.waitFor(async () => {
      expect(await starling.api.deployments.get.query({ id: halted })).toMatchObject({ pausedBy: 'starling' });
    }, patience);
  await halts();
  const why = await reader.mention('What makes it go on, halt or go back', 'deployment 17');
  expect(why.output).toMatch(/halted/i);
  await reader.follow('What makes it go on, halt or go back');
  expect(await over(halted)).toMatchObject({ status: 'ABORTED' });
  await reader.mention('Measure more than health', 'checks 17');

  const good = await newBuild(starling);
  ran.push(good);
  const steered = await begin(good, { waves: [{ labels: { group: 'canary' }, bakeTime: '1h' }] });
  await reader.follow('Steer it');
  expect(await over(steered)).toMatchObject({ status: 'ABORTED' });

  expect(await over(await begin(good))).toMatchObject({ status: 'SUCCEEDED' });
  const back = await reader.follow('Go back', {
    fill: { 'shop@1a2b3c4d5e6f': good },
    before: {
      'quarantine  ': async () => {
        await reader.mention('Go back', 'rollback shop');
        expect(await over((await newestOf('shop')).id)).toMatchObject({ status: 'SUCCEEDED', kind: 'ROLLBACK' });
      },
    },
  });
  back.saw('The build that was left is in **quarantine**', 'quarantine', new RegExp(good));
  await over((await newestOf('shop')).id);
  const stopped = await reader.follow('Stop the line');
  expect(stopped.of('start-the-line --list').output).toMatch(/errors at the till[\s\S]*errors at the till/);
  await reader.end();
});

it('roll-back', async () => {
  const [first] = ran as [string];
  const last = ran.at(-1)!;
  expect(await over(await begin(last))).toMatchObject({ status: 'SUCCEEDED' });
  const { reader } = await read('docs/how-to/roll-back.md', { '1a2b3c': digits(first), 'shop@1a2b3c4d5e6f': last });
  const terminal = await reader.follow('In a terminal');
  terminal.saw('the number of machines that run it, and exit code 0', 'rollback shop --reason', /3 machines run it/);
  expect(terminal.of('rollback shop 1a2b3c').output).toMatch(/3 machines run it/);
  const afterwards = await reader.follow('Afterwards');
  afterwards.saw(
    'The build that you left is in *quarantine*',
    'quarantine list',
    new RegExp(`${last}.*errors at the till`),
  );
  await reader.end();
});

it('gates', async () => {
  const last = ran.at(-1)!;
  const { reader } = await read('docs/how-to/gates.md', {
    '1a2b3c': digits(last),
    '17': newestId,
    '<number>': newestId,
    // It is to come, whenever this is read.
    '2026-12-20T00:00:00Z': new Date(Date.now() + 30 * 86_400_000).toISOString(),
    '2027-01-04T08:00:00Z': new Date(Date.now() + 45 * 86_400_000).toISOString(),
    '3': async () => String((await starling.api.freezes.list.query()).find(({ weekly }) => weekly)!.id),
  });
  await starling.api.projects.configure.mutate({ project: 'shop', settings: { approvals: { needed: 2 } } });
  await begin(last);
  const waits = await reader.mention('Decide what may be deployed, and when', 'deployment <number>');
  expect(waits.output).toMatch(/approval/);
  const voices = await reader.follow('Approvals');
  expect(voices.of('approvals').output).toContain('shop');
  expect(await over((await newestOf('shop')).id)).toMatchObject({ status: 'ABORTED' });
  await starling.api.projects.configure.mutate({ project: 'shop', settings: {} });

  const { id } = await starling.api.freezes.add.mutate({ reason: 'now' });
  await reader.mention('Freeze windows', 'deploy shop 1a2b3c --hotfix --reason "checkout is down"');
  expect(await over((await newestOf('shop')).id)).toMatchObject({ status: 'SUCCEEDED' });
  await starling.api.freezes.lift.mutate({ id });
  await reader.follow('Freeze windows');
  await reader.end();
});

it('scripts', async () => {
  const sha = await commit(join(starling.data, 'repositories', 'shop'), { note: 'release 7\n' });
  const { folder, reader } = await read(
    'docs/how-to/scripts.md',
    { '12': async () => String((await starling.api.jobs.list.query({ project: 'shop', limit: 1 }))[0]!.id) },
    { environment: { COMMIT: sha } },
  );
  const script = await reader.follow('In a script');
  expect(script.of('deploy shop').output).toMatch(/3 machines run it/);
  expect((await reader.mention('In a script', 'tokens create ci --role builder --days 30')).stdout).toMatch(/stl_/);
  const followed = await reader.follow('Follow what happens', { interrupt: { 'watch --json': /\{.*\}/ } });
  expect(JSON.parse(followed.of('watch --json').stdout.split('\n')[0]!)).toBeTypeOf('object');
  await mkdir(join(folder, '.config/fish/completions'), { recursive: true });
  await reader.follow('Let the shell complete it');
  await reader.end();
});

it('watch-bytes-move', async () => {
  const build = await newBuild(starling, { build: 'head -c 6000000 /dev/urandom > out/large' });
  const { reader } = await read('docs/how-to/watch-bytes-move.md', { '12': newestId, '1a2b3c4d': digits(build) });
  await begin(build);
  const moves = { 'swarm 12   ': /REGION/ };
  const seen = await reader.follow('See how the bytes of a deployment move', { until: moves });
  expect(seen.of('swarm 12').output).toMatch(/REGION/);
  expect(seen.of('swarm explain').output).toContain('eu-web-007');
  const foretold = await reader.follow('Before it begins: the forecast');
  foretold.saw('wave by wave', 'deploy shop', /^WAVE .*\n +1 +2 .*\n +2 +1 /m);
  await reader.end();
});

it('deployment-tasks', async () => {
  const tasks = { before: [{ type: 'command', name: 'migrate', command: 'echo the tables are new' }] };
  await starling.api.projects.configure.mutate({ project: 'shop', settings: { tasks } });
  expect(await over(await begin(ran.at(-1)!))).toMatchObject({ status: 'SUCCEEDED' });
  const { reader } = await read('docs/how-to/deployment-tasks.md', { '42': newestId });
  const ended = await reader.follow('Run something before and after a deployment');
  expect(ended.of('tasks 42').output).toMatch(/migrate/);
  expect(ended.of('tasks 42 --log').output).toMatch(/the tables are new/);
  await starling.api.projects.configure.mutate({ project: 'shop', settings: {} });
  await reader.end();
});

it('webhooks', async () => {
  const [bare, clone] = [join(starling.data, 'repositories', 'pushed.git'), join(starling.data, 'clone')];
  await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare]);
  const recipe = 'version: 1\nbuild: { command: mkdir out, artifact: out }\n';
  const first = await commit(clone, { 'starling.yml': recipe });
  const push = () => run('git', ['-C', clone, 'push', bare, 'main']);
  await push();
  await starling.api.projects.add.mutate({ name: 'pushed', repositoryUrl: bare });
  const settings = { triggers: [{ on: 'push', branches: ['main'] }] };
  await starling.api.projects.configure.mutate({ project: 'pushed', settings });
  const { folder, reader } = await read('docs/how-to/webhooks.md', {
    shop: 'pushed',
    'https://starling.example.com/webhooks/git/shop': `${starling.url}/webhooks/git/pushed`,
    '<project>': 'pushed',
  });
  const secretFile = join(folder, 'secret');
  await reader.mention('1. Say what is to be built', 'project settings <project>');
  const shown = await reader.follow("2. Get the project's secret");
  expect(shown.of('webhook secret').output).toContain('/webhooks/git/pushed');
  const rotated = await reader.mention("2. Get the project's secret", 'webhook secret shop --rotate');
  await writeFile(secretFile, rotated.stdout.trim(), { mode: 0o600 });

  const hook = await reader.take('3. Tell the source', '#!/bin/sh', {
    '/etc/starling/shop.webhook-secret': secretFile,
  });
  await writeFile(join(bare, 'hooks/post-receive'), `${hook}\n`);
  await chmod(join(bare, 'hooks/post-receive'), 0o755);
  const second = await commit(clone, { more: '1\n' });
  expect(second).not.toBe(first);
  const { stderr } = await push();
  expect(stderr).toMatch(new RegExp(`remote: Starling: job \\d+ builds main at ${second.slice(0, 12)}`));
  const came = await reader.follow('What came, and what was done about it');
  expect(came.of('webhook deliveries').output).toMatch(/job \d+/);
  await reader.end();
});

it('the references of project settings and of HTTP', async () => {
  const settings = await read('docs/reference/project-settings.md');
  await writeFile(join(settings.folder, 'shop.yaml'), 'approvals: { needed: 0 }\n');
  const set = await settings.reader.follow('Project settings');
  expect(set.of('project settings shop --all').output).toContain('keepBuilds');
  await settings.reader.end();
  const environment = { STARLING: starling.url, STARLING_TOKEN: starling.token };
  const http = await read('docs/reference/http-api.md', {}, { environment });
  const [listed, created] = (await http.reader.follow('The HTTP API')).all;
  for (const said of [listed!, created!]) if (said.output !== '') expect(() => JSON.parse(said.stdout)).not.toThrow();
  if (created!.output !== '') expect(JSON.parse(created!.stdout)).toMatchObject({ id: expect.any(Number) });
  await http.reader.end();
});
