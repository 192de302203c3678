import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ApiClient, connectApi } from '@starling/local/api-client.ts';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { followTutorial } from '../../documents/follow-tutorial.ts';
import { openReader, type Reader } from '../../documents/reader.ts';
import { apiOf, type NpmStart, npmStart, sampleFill } from '../npm-start.ts';
import { temporaryFolder } from '../starling-under-test.ts';

// The training path, walked from the tutorial to its end with one `npm start`, as its readers do. What they do in the console is done
// through the API here; that the console offers it is tried in test/console.

const patience = { timeout: 60_000, interval: 250 };
const password = 'correct horse battery';
let data: string;
let folder: string;
let start: NpmStart;
let api: ApiClient;

beforeAll(async () => {
  data = await temporaryFolder('training');
  folder = await temporaryFolder('typed');
  start = npmStart(data);
  await start.ready();
  ({ api } = await apiOf(data));
});
afterEach(async () => {
  // Between two courses there is a coffee.
  await vi.waitFor(async () => expect((await newest()).status).not.toMatch(/RUNNING|WAITING/), patience);
});
afterAll(async () => {
  start?.child.kill('SIGINT');
  await start?.ended;
  for (const one of [data, folder]) await rm(one, { recursive: true, force: true });
});

const course = (path: string): Promise<Reader> => openReader(path, { data, folder, fill: sampleFill(data) });
const newest = async () => (await api.deployments.list.query({ project: 'hello', limit: 1 }))[0]!;
const newestJob = async () => String((await api.jobs.list.query({ project: 'hello', limit: 1 }))[0]!.id);
const buildOf = async (tag: string) => {
  const fill = sampleFill(data)[`<build of ${tag}>`];
  return typeof fill === 'function' ? fill() : fill!;
};
/** What every machine runs. */
const running = async () => {
  const machines = await api.machines.list.query({ project: 'hello', limit: 100 });
  return [...new Set(machines.map(({ projects: [state] }) => `${state?.observedBuild} ${state?.step}`))];
};

it('the tutorial, which all of them do first', () => followTutorial(start, data, folder));

it('release managers', async () => {
  const reader = await course('docs/training/release-managers.md');
  const [v1, v2] = [await buildOf('v1'), await buildOf('v2')];

  const before = await reader.follow('Training for release managers');
  before.saw('`v1` runs when you begin', 'status hello', new RegExp(`all 12 machines run ${v1}`));

  const built = await reader.follow('2. Build, and wait for every region');
  built.saw('the new build, in every region', 'builds hello', new RegExp(`${v2}.*deployable`));

  const look = '3. Look before you deploy';
  const looked = await reader.follow(look, { fill: { 'hello@1a2b3c4d5e6f': v1, 'hello@2b3c4d5e6f1a': v2 } });
  looked.saw(
    'three machines in the first wave, one of each region',
    'deploy hello',
    /1\. 25 %.*eu-west 1 .*us-east 1 .*ap-south 1 /,
  );
  looked.saw('the other nine in the second', 'deploy hello', /2\. .*eu-west 3 .*us-east 3 .*ap-south 3 /);
  looked.saw('it takes a minute at least', 'deploy hello', /takes 1 m at least/);
  looked.saw('the one commit that is new', 'diff', /1 commit[\s\S]*Greet more warmly/);
  expect((await reader.mention(look, 'status')).output).toContain(v1);

  const waves = '4. Deploy in waves, and take your time';
  const promoted = { 'deployment <deployment>': /12 machines run it/ };
  const waved = await reader.follow(waves, { until: promoted });
  waved.saw('`12 machines run it`', 'deployment <deployment>', /12 machines run it/);
  expect(await running()).toEqual([`${v2} COMMITTED`]);

  // `r`, Enter, say why, Enter: the keys are pressed in test/console/console.test.ts.
  const back = await reader.follow('5. Go back with the keyboard alone', {
    before: {
      'quarantine list': async () => {
        await api.deployments.rollback.mutate({ project: 'hello', reason: 'training' });
        await vi.waitFor(async () => expect(await newest()).toMatchObject({ status: 'SUCCEEDED' }), patience);
        const { kind, regions, buildId } = await api.deployments.get.query({ id: (await newest()).id });
        expect({ kind, buildId, bytes: regions.map(({ bytesDone }) => bytesDone) }).toEqual({
          ...{ kind: 'ROLLBACK', buildId: v1, bytes: [0, 0, 0] },
        });
      },
    },
  });
  back.saw('The build that you left is in quarantine', 'quarantine list', new RegExp(`${v2}.*training`));
  expect(await running()).toEqual([`${v2} COMMITTED`]);

  const failing = await reader.follow('6. Let a bad release fail');
  expect(failing.of('deploy hello').code).toBe(1);
  const failed = await api.deployments.machines.query({ id: (await newest()).id });
  failing.saw('three failed machines of twelve: nobody else was reached', 'deploy hello', /FAILED/);
  const reached = failed.flatMap(({ step }) => step ?? []);
  expect(reached).toEqual(['FAILED', 'FAILED', 'FAILED']);
  await vi.waitFor(async () => expect(await running()).toEqual([`${v2} COMMITTED`]), patience);

  const no = '7. Say no';
  const waited = async () => expect(await newest()).toMatchObject({ buildId: v1, status: 'WAITING' });
  await reader.follow(no, { before: { 'start-the-line': waited } });
  await vi.waitFor(async () => expect(await newest()).toMatchObject({ status: 'SUCCEEDED' }), patience);
  expect((await reader.mention(no, 'status hello')).output).toContain(v1);
  const [, digits] = v1.split('@');
  const found = await reader.mention('You can do it when', 'history --build 1a2b3c', {
    fill: { '1a2b3c': digits!.slice(0, 6) },
  });
  expect(found.output).toContain('training');
  await reader.end();
});

it('on-call', async () => {
  const reader = await course('docs/training/on-call.md');
  const [v1, v2] = [await buildOf('v1'), await buildOf('v2')];
  await reader.follow('Training for on-call');
  expect(await running()).toEqual([`${v2} COMMITTED`]);

  const order = await reader.follow('1. The order of things', {
    before: { 'start-the-line': async () => expect(await running()).toEqual([`${v1} COMMITTED`]) },
  });
  const rolledBack = 'end with the number of machines that run it while the line stands still';
  order.saw(rolledBack, 'rollback', /12 machines run it/);
  order.saw('all machines on the newer build again', 'undo-rollback', /12 machines run it/);
  expect(await running()).toEqual([`${v2} COMMITTED`]);

  const words = await reader.follow("2. From a failed rollout to a machine's own words");
  words.saw('`GET /healthz: HTTP 500`', 'deployment <deployment>', /GET \/healthz: HTTP 500/);
  const lastLine = /the table data\/tables\.bin is missing/;
  words.saw("the program's last line on the first of them", 'deployment <deployment>', lastLine);
  await vi.waitFor(async () => expect(await running()).toEqual([`${v2} COMMITTED`]), patience);

  const jobs: string[] = [];
  const queued = await reader.follow('3. A job that stays QUEUED', {
    fill: { '<a worker>': 'worker-1', '<the other worker>': 'worker-2', '<its job>': () => jobs[1]! },
    before: {
      queue: async () => jobs.push(await newestJob()),
      prioritise: async () => jobs.push(await newestJob()),
      'worker resume <the other worker>': () =>
        vi.waitFor(async () => {
          const [first, second] = await Promise.all(jobs.map((id) => api.jobs.get.query({ id: Number(id) })));
          expect([first!.status, second!.status]).toEqual(['SUCCEEDED', 'SUCCEEDED']);
          expect(Date.parse(second!.finishedAt!)).toBeLessThan(Date.parse(first!.finishedAt!));
        }, patience),
    },
  });
  const reason = /every living worker is draining[\s\S]*No worker will take 1 job/;
  queued.saw('the job wait, and the reason: no worker takes jobs', 'queue', reason);
  queued.saw('the second job built', 'jobs hello', new RegExp(`${jobs[1]}.*SUCCEEDED`));

  const freeze = '4. What a freeze keeps, and what passes';
  const frozen = await reader.follow(freeze, {
    fill: { '<number>': async () => String((await api.freezes.list.query())[0]!.id) },
    before: { approvals: async () => expect(await newest()).toMatchObject({ status: 'WAITING' }) },
  });
  frozen.saw('the first deployment wait for the freeze', 'deploy hello <build of v2>', /waits to begin/);
  frozen.saw('the hotfix begin at once', 'deploy hello <build of v2> --hotfix', /puts .* on the machines/);
  expect((await reader.mention(freeze, 'audit --action freeze.bypass')).output).toMatch(/admin.*freeze\.bypass/);
  await vi.waitFor(async () => expect(await newest()).toMatchObject({ status: 'SUCCEEDED' }), patience);

  const again = await reader.follow('5. When Starling itself is the patient', {
    before: {
      doctor: async () => {
        expect(await start.interrupt()).toBe(0);
        start = npmStart(data);
        await start.ready();
        ({ api } = await apiOf(data));
      },
    },
  });
  again.saw('everything as it was', 'status', new RegExp(v2));
  expect(await running()).toEqual([`${v2} COMMITTED`]);
  await reader.end();
});

it('administrators', async () => {
  const reader = await course('docs/training/administrators.md');
  const v2 = await buildOf('v2');
  const olga = async () => {
    const { server } = await apiOf(data);
    const response = await fetch(`${server}/session/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'olga', password, for: 'training' }),
    });
    expect(response.status).toBe(200);
    return connectApi(server, ((await response.json()) as { token: string }).token);
  };

  let hers: ApiClient;
  const let1 = await reader.follow('1. Let somebody in, with as little as they need', {
    answers: { 'accounts add': `${password}\n` },
    before: {
      'accounts grant olga approver': async () => {
        hers = await olga();
        const plan = { project: 'hello', build: v2 };
        expect(await hers.deployments.preview.query(plan)).toMatchObject({});
        await expect(hers.audit.list.query({})).rejects.toThrow(/admin/);
      },
      'accounts enable': async () => {
        await expect(hers.projects.list.query()).rejects.toThrow();
      },
    },
  });
  expect(let1.of('accounts list').output).toMatch(/olga.*deployer/);

  const eyes = await reader.follow('2. Four eyes', {
    before: {
      'project settings hello --set': () => writeFile(join(folder, 'hello.yaml'), 'approvals: { needed: 1 }\n'),
    },
  });
  eyes.saw('your own deployment does not offer *Approve* to you', 'approvals', /You asked for it/);
  const waiting = await newest();
  expect(waiting).toMatchObject({ status: 'WAITING' });
  const { note } = await api.approvals.approve.mutate({ id: waiting.id });
  expect(note).toMatch(/does not count/);
  expect(await newest()).toMatchObject({ status: 'WAITING' });
  hers = await olga();
  await hers.approvals.approve.mutate({ id: waiting.id });
  await vi.waitFor(async () => expect(await newest()).toMatchObject({ status: 'SUCCEEDED' }), patience);
  const wave = { fraction: 0.25, bakeTime: '1m' };
  await api.projects.configure.mutate({ project: 'hello', settings: { rollout: { waves: [wave] } } });

  const canary = await reader.follow('3. A canary for every release');
  canary.saw('your wave, and a last one of everybody', 'deploy hello', /1\. 25 %, then 1 m[\s\S]*2\. /);

  const machines = await reader.follow('4. Let a machine in, and shut it out', {
    fill: { '<number>': async () => String((await api.identities.invitations.query({}))[0]!.id) },
  });
  machines.saw('a token once', 'enrol agent', /\S{30,}/);
  machines.saw('each agent with a name of its own', 'identities', /eu-west-1[\s\S]*eu-west-4/);

  const kept = await reader.follow('5. What is kept, and what goes');
  kept.saw('that nothing would go', 'gc --dry-run', /Every build is kept/);
  const retention = { keepBuilds: 1, keepFor: '0s' };
  await api.projects.configure.mutate({ project: 'hello', settings: { retention } });
  const lowered = await reader.follow('5. What is kept, and what goes');
  lowered.saw('look again, without collecting', 'gc --dry-run', /hello@/);

  const proved = await reader.follow('6. Prove it');
  proved.saw('each thing that you did today', 'audit --from 1d', /account.*olga/);
  proved.saw('every row fits the one before it', 'audit verify', /fit|whole/);

  const told = await reader.follow('7. Be told');
  told.saw('why it does not arrive: no mail server is set up here', 'alerts test', /this Starling has no mail server/);
  expect((await reader.mention('7. Be told', 'doctor')).output).toMatch(/Nobody is told of anything/);
  await reader.end();
});
