import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { startAnalyst } from '@starling/server/analysis/analyst.ts';
import { stagesToMeasure } from '@starling/server/analysis/stages.ts';
import { analysis } from '@starling/server/analysis/verdict.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { startRolloutController } from '@starling/server/rollouts/controller.ts';
import { defaultPolicy } from '@starling/server/rollouts/decide.ts';
import { deploymentRows } from '@starling/server/rollouts/deployment-rows.ts';
import { afterTasks } from '@starling/server/tasks/after-tasks.ts';
import { startCommandTasks } from '@starling/server/tasks/run-command-tasks.ts';
import { postgresVersionKeys } from '@starling/server/version-keys/postgres-store.ts';
import { systemClock } from '@starling/shared/clock.ts';
import type { WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  deploymentGates,
  deploymentMachines,
  deployments,
  machineProjects,
  machines,
  measurements,
  replicas,
  versionKeys,
} from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { type PlayedFleet, startPlayedFleet } from '../fleet/played-fleet.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

// What is measured decides over waves: a real server that answers as Prometheus does, real commands on a real worker's loop,
// the real controller. Only the machines are played.

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
const { privatePem } = generateSigningKey();
const played = Array.from({ length: 4 }, (_, n) => ({ id: `m${n}`, region: 'eu', labels: {} }));
let api: TestApi;
let good: string;
let next: string;
let fleet: PlayedFleet;
let stops: (() => Promise<unknown>)[] = [];

/** What Prometheus says from now on: a value, nothing, or that it is broken. */
let value: string | null | 'broken' = '0';
let asked: string[] = [];
const server = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://here');
  asked.push(url.searchParams.get('query') ?? url.pathname);
  if (value === 'broken') return void response.writeHead(503).end();
  const result = value === null ? [] : [{ metric: {}, value: [0, value] }];
  response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }));
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await addRegions(test.database, ['eu']);
  await grantToken(test.database, 'ada', 'admin', 'ada-token');
  api = await startTestApi(test.database);
  [good, next] = [await makeBuild(), await makeBuild()];
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await api.stop();
});
beforeEach(async () => {
  [value, asked] = ['0', []];
  for (const table of [deploymentGates, deploymentMachines, machineProjects, machines, versionKeys])
    await test.database.delete(table);
  await test.database.delete(deployments);
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await ada().projects.configure.mutate({
    project: 'shop',
    settings: { analysis: { prometheus: address, http: [`${address}/health`] } },
  });
  fleet = await startPlayedFleet({ database: test.database, project: 'shop', machines: played, keyOf });
  stops.push(() => fleet.stop());
  startController();
  const first = await ada().deployments.deploy.mutate({ project: 'shop', build: good });
  await becomes(first.id, { status: 'SUCCEEDED' });
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  stops = [];
});

const ada = () => api.as('ada-token');
async function makeBuild(): Promise<string> {
  const { build } = await addBuild(test.database, 'shop');
  await test.database.update(replicas).set({ status: 'REPLICATED' }).where(eq(replicas.buildId, build.buildId));
  return build.buildId;
}
const keyOf = (region: string) => postgresVersionKeys(test.database, systemClock, log).get('shop', region);
const get = (id: number) => ada().deployments.get.query({ id });
const becomes = (id: number, state: object) =>
  vi.waitFor(async () => expect(await get(id)).toMatchObject(state), { timeout: 20_000, interval: 20 });
const verdicts = async (id: number) =>
  (await ada().deployments.measurements.query({ id })).toReversed().map(({ check, verdict }) => `${check} ${verdict}`);

function startController() {
  const loop = startRolloutController({
    rows: deploymentRows(test.database),
    keys: postgresVersionKeys(test.database, systemClock, log),
    signer: new Signer('version-key', privatePem),
    tasks: afterTasks(test.database),
    analysis: analysis(test.database),
    regions: ['eu'],
    policy: { ...defaultPolicy, settleMs: 0 },
    everyMs: 20,
    clock: systemClock,
    log,
  });
  stops.push(() => loop.stop());
}
function measure() {
  const loop = startAnalyst({ database: test.database, everyMs: 20, clock: systemClock, log });
  stops.push(() => loop.stop());
  return loop;
}
async function startWorker() {
  const dataDir = await mkdtemp(join(tmpdir(), 'starling-analysis-'));
  const worker = await startCommandTasks({
    database: test.database,
    worker: 'w1',
    labels: {},
    dataDir,
    environment: { PATH: process.env.PATH ?? '' },
    clock: systemClock,
    log,
    everyMs: 20,
  });
  stops.push(async () => {
    await worker.stop();
    await rm(dataDir, { recursive: true });
  });
}
type Check = NonNullable<WrittenRolloutSettings['analysis']>[number];
const errors: Check = {
  name: 'errors',
  prometheus: 'e{build="{{build}}"}',
  condition: '< 0.01',
  failCondition: '> 0.05',
};
const deploy = (analysed: Check[], more: WrittenRolloutSettings = {}) =>
  ada().deployments.deploy.mutate({
    project: 'shop',
    build: next,
    rollout: { waves: [{ fraction: 0.25 }], analysis: analysed, ...more },
  });

describe('a check before a wave', () => {
  it('that fails keeps every machine from hearing of the build', async () => {
    value = '0.2';
    measure();
    const { id } = await deploy([{ ...errors, when: ['before'] }]);
    await becomes(id, {
      status: 'FAILED',
      wave: 0,
      outcome: 'before wave 1 of 2: the check "errors" failed: 0.2 is > 0.05',
    });
    expect(fleet.told(next)).toEqual([]);
    expect(asked).toEqual([`e{build="${next}"}`]);
  });

  it('is made before each, also where there is one wave only', async () => {
    measure();
    const waves = await deploy([{ ...errors, when: ['before'] }]);
    await becomes(waves.id, { status: 'SUCCEEDED' });
    expect(await verdicts(waves.id)).toEqual(['errors SUCCESSFUL', 'errors SUCCESSFUL']);
    await ada().deployments.rollback.mutate({ project: 'shop', build: good });
    await ada().quarantines.lift.mutate({ id: next, reason: 'a test' });
    const one = await ada().deployments.deploy.mutate({
      project: 'shop',
      build: next,
      whenBusy: 'REPLACE',
      rollout: { analysis: [{ ...errors, when: ['before'] }] },
    });
    await becomes(one.id, { status: 'SUCCEEDED' });
    expect(await verdicts(one.id)).toEqual(['errors SUCCESSFUL']);
  });
});

describe('a check while a wave bakes', () => {
  it('takes the build back from the canary, and nobody else hears of it', async () => {
    value = '0.2';
    measure();
    const { id } = await deploy([errors]);
    await becomes(id, { status: 'FAILED', wave: 1, outcome: expect.stringContaining('0.2 is > 0.05') });
    expect(fleet.told(next)).toHaveLength(1);
    await vi.waitFor(() => expect(fleet.running()).toEqual(played.map(() => good)), 10_000);
  });

  it('that cannot tell is for a person, who goes on when it can', async () => {
    value = null;
    measure();
    const { id } = await deploy([errors]);
    await becomes(id, {
      status: 'RUNNING',
      wave: 1,
      pausedBy: 'starling',
      pauseReason: 'wave 1 of 2: the check "errors" says neither yes nor no: the query gave no value',
    });
    value = '0.005';
    await ada().deployments.resume.mutate({ id, reason: 'there are visitors now' });
    await becomes(id, { status: 'SUCCEEDED' });
    expect(await verdicts(id)).toEqual(['errors INCONCLUSIVE', 'errors SUCCESSFUL', 'errors SUCCESSFUL']);
  });

  it('that cannot be made is counted apart, and made again', async () => {
    value = 'broken';
    measure();
    const { id } = await deploy([{ ...errors, interval: '1s', errorLimit: 9 }]);
    await vi.waitFor(async () => expect(await verdicts(id)).toContain('errors ERROR'), 10_000);
    expect((await get(id)).checking).toMatchObject({
      wave: 1,
      stage: 'bake',
      checks: [{ name: 'errors', verdict: null, counted: 0, count: 1 }],
    });
    value = '0';
    await becomes(id, { status: 'SUCCEEDED' });
  });

  it('and is never made halts it', async () => {
    await ada().projects.configure.mutate({ project: 'shop', settings: {} });
    measure();
    const { id } = await deploy([
      { ...errors, errorLimit: 0 },
      { name: 'page', http: 'http://127.0.0.1:1/', errorLimit: 0 },
    ]);
    await becomes(id, { pausedBy: 'starling', pauseReason: expect.stringContaining('could not be made') });
    const said = await ada().deployments.measurements.query({ id });
    expect(said.map(({ detail }) => detail).toSorted()).toEqual([
      "analysis.prometheus is not set in the project's settings",
      "its address is not one of analysis.http in the project's settings",
    ]);
    expect(asked, 'nobody was asked').toEqual([]);
    await ada().deployments.abort.mutate({ id });
  });

  it('is made again when its server was killed in the middle', async () => {
    const { id } = await deploy([errors]);
    await becomes(id, { checking: { stage: 'bake' } });
    await test.database.insert(measurements).values({ deployment: id, wave: 1, stage: 'bake', check: 'errors' });
    measure();
    await becomes(id, { status: 'SUCCEEDED' });
    expect(await verdicts(id)).toEqual(['errors SUCCESSFUL', 'errors SUCCESSFUL']);
  });

  it('is not made while the deployment stands still', async () => {
    const { id } = await deploy([errors]);
    await becomes(id, { checking: { wave: 1 } });
    const toMeasure = async () => (await stagesToMeasure(test.database)).map(({ deployment }) => deployment.id);
    expect(await toMeasure()).toEqual([id]);
    await ada().deployments.pause.mutate({ id });
    expect(await toMeasure()).toEqual([]);
    await ada().deployments.resume.mutate({ id });
    await ada().line.stop.mutate({ reason: 'errors at the till' });
    expect(await toMeasure()).toEqual([]);
    await ada().line.start.mutate({});
    expect(await toMeasure()).toEqual([id]);
    await ada().deployments.abort.mutate({ id });
    expect(await toMeasure()).toEqual([]);
  });

  it('is passed over by a person who promotes', async () => {
    value = '0.03';
    measure();
    const { id } = await deploy([{ ...errors, inconclusiveLimit: 200, count: 200, interval: '1h' }]);
    await vi.waitFor(async () => expect(await verdicts(id)).toContain('errors INCONCLUSIVE'), 10_000);
    value = '0.2';
    await ada().deployments.promote.mutate({ id });
    await becomes(id, { status: 'FAILED', wave: 2, outcome: expect.stringContaining('0.2 is > 0.05') });
  });
});

describe('other checks', () => {
  it('ask an address, and run commands on a worker', async () => {
    await startWorker();
    measure();
    const health = `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`;
    const { id } = await deploy([
      { name: 'page', http: `${health}/{{project}}` },
      { name: 'smoke', command: 'test {{deployment}} = "$STARLING_DEPLOYMENT" && test "$STARLING_PHASE" = ANALYSIS' },
    ]);
    await becomes(id, { status: 'SUCCEEDED' });
    expect((await verdicts(id)).toSorted()).toEqual([
      'page SUCCESSFUL',
      'page SUCCESSFUL',
      'smoke SUCCESSFUL',
      'smoke SUCCESSFUL',
    ]);
    expect(asked).toContain('/health/shop');
  });

  it.each([
    ['exit 1', 'FAILED', { status: 'FAILED', outcome: expect.stringContaining('exit code 1') }],
    ['echo unsure; exit 75', 'INCONCLUSIVE', { pausedBy: 'starling', pauseReason: expect.stringContaining('unsure') }],
    ['no-such-program', 'ERROR', { pausedBy: 'starling', pauseReason: expect.stringContaining('not found') }],
    [
      'sleep 30',
      'ERROR',
      { pausedBy: 'starling', pauseReason: expect.stringContaining('longer than its timeout of 1 s') },
    ],
  ])('a command such as %s is %s', async (command, verdict, state) => {
    await startWorker();
    measure();
    const { id } = await deploy([{ name: 'smoke', command, timeout: '1s', errorLimit: 0 }]);
    await becomes(id, state);
    expect(await verdicts(id)).toEqual([`smoke ${verdict}`]);
  });
});
