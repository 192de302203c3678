import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  built,
  commit,
  deployable,
  ended,
  everywhere,
  processesIn,
  type StarlingUnderTest,
  settled,
  startUnderTest,
  temporaryFolder,
} from './starling-under-test.ts';

// Each process is killed as by a crash, in the middle of its work. It is started again, as an init system would, and
// then everything must be as if nothing had happened: every job ended, every machine on what it was told, nothing twice.

let starling: StarlingUnderTest;
let repository: string;
let witness: string;

/** A service with a payload that takes a while to move, and a slow farewell. */
const service = (version: number, { payloadMiB = 0, recipeSeconds = 0 } = {}) => ({
  'starling.yml': `
version: 1
build:
  command: |
    echo "building $STARLING_COMMIT" >> "${witness}/recipes"
    sleep ${recipeSeconds}
    mkdir -p dist && cp service.mjs dist/
    ${payloadMiB > 0 ? `dd if=/dev/urandom of=dist/payload bs=1M count=${payloadMiB} status=none` : ''}
  artifact: dist
run:
  command: exec node service.mjs
  port: auto
  stopGrace: 8s
health:
  http: /healthz
  interval: 100ms
  minHealthyTime: 300ms
  healthyDeadline: 20s
`,
  'service.mjs': `
// version ${version}
import { createServer } from 'node:http';
const server = createServer((request, response) => response.end('ok'));
server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 1500));
`,
});

beforeAll(async () => {
  witness = await temporaryFolder('witness');
  starling = await startUnderTest({
    machinesPerRegion: 2,
    settings: { STARLING_STALE_AFTER: '4s', STARLING_HEARTBEAT_EVERY: '500ms', STARLING_MONITOR_EVERY: '500ms' },
  });
  repository = join(witness, 'repository');
  await commit(repository, service(0));
  await starling.api.projects.add.mutate({ name: 'svc', repositoryUrl: repository, defaultRef: 'main' });
});
afterAll(async () => {
  await starling?.discard();
  await rm(witness, { recursive: true, force: true });
});

const child = (name: string) => starling.children.get(name)!;
const logOf = (name: string) => readFile(join(starling.data, 'logs', `${name}.log`), 'utf8').catch(() => '');
/** Resolves once `look` finds what it waits for; asks often, since the moment passes. */
const moment = (look: () => Promise<unknown>) =>
  vi.waitFor(async () => expect(await look()).toBeTruthy(), { timeout: 60_000, interval: 5 });
const stepOf = async (machine: string) =>
  (await starling.api.machines.get.query({ id: machine })).projects.find(({ project }) => project === 'svc')?.step;
const deploy = (build: string) => starling.api.deployments.deploy.mutate({ project: 'svc', build });

/** One program on each machine, from the slot that `current` names. */
async function oneProgramEach() {
  for (const machine of starling.machines) {
    await vi.waitFor(
      async () =>
        expect(await processesIn(join(starling.data, 'machines', machine, 'projects', 'svc')), machine).toHaveLength(1),
      { timeout: 30_000, interval: 200 },
    );
  }
}

describe('killed in the middle of it', () => {
  it('a worker in a recipe: another attempt builds it, once', async () => {
    const sha = await commit(repository, service(1, { recipeSeconds: 3 }));
    const { id } = await starling.api.jobs.create.mutate({ project: 'svc', ref: sha });
    let worker = '';
    await moment(async () => {
      const job = await starling.api.jobs.get.query({ id });
      worker = job.worker ?? '';
      return job.stage === 'RECIPE' && (await readFile(join(witness, 'recipes'), 'utf8').catch(() => '')).includes(sha);
    });
    await child(worker).crash();
    const job = await ended(starling, id);
    expect(job).toMatchObject({ status: 'SUCCEEDED', attempts: 2 });
    const builds = (await starling.api.builds.list.query({ project: 'svc' })).filter(
      (build) => build.commitSha === sha,
    );
    expect(builds).toHaveLength(1);
    await deployable(starling, builds[0]!.id);
    const { id: deployment } = await deploy(builds[0]!.id);
    expect(await settled(starling, deployment)).toMatchObject({ status: 'SUCCEEDED' });
    await oneProgramEach();
  });

  it('control while its synchronizer copies: every region ends with the very bytes', async () => {
    const sha = await commit(repository, service(2, { payloadMiB: 200 }));
    const { id } = await starling.api.jobs.create.mutate({ project: 'svc', ref: sha });
    const { buildId } = await ended(starling, id);
    await moment(async () =>
      (await starling.api.builds.get.query({ id: buildId! })).replicas.some((replica) => replica.status === 'COPYING'),
    );
    await child('control').crash();
    await child('control').ready();
    await deployable(starling, buildId!);
    const { replicas } = await starling.api.builds.get.query({ id: buildId! });
    expect(replicas.map((replica) => replica.status)).toEqual(['REPLICATED', 'REPLICATED', 'REPLICATED']);
  });

  it('a hub while it seeds, and an agent while it fetches: all machines get it', async () => {
    const [build] = await starling.api.builds.list.query({ project: 'svc', limit: 1 });
    const before = (await logOf('hub-eu-west')).length;
    const { id } = await deploy(build!.id);
    await moment(async () => (await logOf('hub-eu-west')).slice(before).includes('seeding a pack'));
    await moment(async () => (await stepOf('eu-west-1')) === 'FETCHING');
    await Promise.all([
      child('hub-eu-west').crash(),
      child('agent-eu-west-1').crash(),
      child('agent-us-east-1').crash(),
    ]);
    expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
    await everywhere(starling, 'svc', build!.id);
    await oneProgramEach();
  });

  it('control right after a deployment was asked for: it is carried out once', async () => {
    const build = await built(starling, 'svc', await commit(repository, service(3)));
    const before = (await starling.api.deployments.list.query({ project: 'svc' })).length;
    const { id } = await deploy(build);
    await child('control').crash();
    await child('control').ready();
    expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await starling.api.deployments.list.query({ project: 'svc' })).toHaveLength(before + 1);
    await everywhere(starling, 'svc', build);
    await oneProgramEach();
  });

  it.each(['STOPPING', 'STARTING', 'PROBING'])('an agent in %s: it goes on where it was', async (state) => {
    const build = await built(
      starling,
      'svc',
      await commit(repository, { ...service(4), 'service.mjs': `${service(4)['service.mjs']}// ${state}\n` }),
    );
    const machine = 'ap-south-2';
    const before = (await logOf(`agent-${machine}`)).length;
    const { id } = await deploy(build);
    await moment(async () => (await logOf(`agent-${machine}`)).slice(before).includes(`"to":"${state}"`));
    await child(`agent-${machine}`).crash();
    expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
    await everywhere(starling, 'svc', build);
    await oneProgramEach();
  });

  it('everything at once, PostgreSQL apart: it comes back as it was', async () => {
    const before = await starling.api.deployments.list.query({ project: 'svc' });
    const current = before.find(({ status }) => status === 'SUCCEEDED')!.buildId;
    await Promise.all([...starling.children.values()].map((each) => each.crash()));
    await child('control').ready();
    await everywhere(starling, 'svc', current);
    await oneProgramEach();
    expect(await starling.api.deployments.list.query({ project: 'svc' })).toEqual(before);
  });

  it('leaves no job without an end', async () => {
    const jobs = await starling.api.jobs.list.query({ limit: 200 });
    expect(jobs.map(({ status }) => status)).toEqual(jobs.map(() => 'SUCCEEDED'));
  });
});
