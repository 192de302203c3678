import { grantToken } from '@starling/server/accounts/tokens.ts';
import { foldHubReport } from '@starling/server/fleet/fold-hub-report.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deploymentMachines, deployments, identities, machineProjects, machines } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addProject, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
let api: TestApi;
const admin = () => api.as('admin-token');
const told = 'shop@aaaaaaaaaaaa';
const old = 'shop@bbbbbbbbbbbb';

interface Sample {
  region?: string;
  labels?: Record<string, string>;
  connected?: boolean;
  silent?: boolean;
  step?: 'COMMITTED' | 'FAILED' | 'FETCHING';
  runs?: string | null;
  project?: string;
}

async function machine(id: string, sample: Sample = {}): Promise<void> {
  const { region = 'eu', labels = {}, connected = true, silent = false, step, runs = told, project = 'shop' } = sample;
  await test.database.insert(machines).values({
    ...{ id, region, labels, connected, agentVersion: '1', address: 'a', hub: 'h' },
    lastSeenAt: sql`now() + ${silent ? '-1 minute' : '1 hour'}::interval` as never,
  });
  const said = { machine: id, step: step ?? ('COMMITTED' as const), detail: '', sequence: 1 };
  await test.database.insert(machineProjects).values({ ...said, project, observedBuild: runs, desiredBuild: told });
}

beforeAll(async () => {
  await addRegions(test.database, ['eu', 'us']);
  for (const name of ['shop', 'books']) await addProject(test.database, name);
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
  await test.database.execute(sql`
    update role_grants set project = 'books' where account = (select id from accounts where name = 'vera')`);
  await machine('eu-1', { labels: { rack: 'r1', disk: 'ssd' } });
  await machine('eu-2', { runs: old });
  await machine('eu-3', { connected: false });
  await machine('eu-4', { step: 'FAILED', runs: old });
  await machine('eu-5', { silent: true, runs: old });
  await machine('eu-6', { connected: false, step: 'FAILED' });
  await machine('eu-7', { runs: null });
  await machine('us-1', { region: 'us', labels: { rack: 'r1' } });
  await machine('us-2', { region: 'us', step: 'FAILED', project: 'books' });
  await machine('us_2', { region: 'us', step: 'FETCHING' });
  await machine('Us-9', { region: 'us' });
  api = await startTestApi(test.database);
});
afterAll(() => api.stop());

type Input = Parameters<ReturnType<typeof admin>['machines']['list']['query']>[0];
const list = (input: Input, token = 'admin-token') => api.as(token).machines.list.query(input);
const names = async (input: Input, token?: string) => (await list(input, token)).map(({ id }) => id);
const worstFirst = ['eu-4', 'eu-6', 'us-2', 'eu-3', 'eu-5', 'eu-2', 'eu-7', 'Us-9', 'eu-1', 'us-1', 'us_2'];

describe('machines are listed', () => {
  it('the worst first, by name within each state', async () => {
    const rows = await list({ order: 'worst' });
    expect(rows.map(({ id, state }) => `${id} ${state}`)).toEqual([
      'eu-4 failed',
      'eu-6 failed',
      'us-2 failed',
      'eu-3 offline',
      'eu-5 offline',
      'eu-2 behind',
      'eu-7 behind',
      'Us-9 done',
      'eu-1 done',
      'us-1 done',
      'us_2 done',
    ]);
    expect(rows.find(({ id }) => id === 'eu-5')).toMatchObject({ online: false, projects: [{ observedBuild: old }] });
  });

  it.each([1, 2, 3, 4, 7, 11, 12])('page by page, %i at a time, each machine once', async (limit) => {
    const found: string[] = [];
    for (let pages = 0; pages < 20; pages += 1) {
      const last = found.at(-1);
      const before = last === undefined ? undefined : (await list({ find: last, order: 'worst' }))[0]!;
      const place = before ? { after: before.id, afterState: before.state } : {};
      const page = await names({ order: 'worst', limit, ...place });
      found.push(...page);
      if (page.length < limit) break;
    }
    expect(found).toEqual(worstFirst);
  });

  it('by name, with the same states, page by page', async () => {
    const byName = await list({});
    expect(byName.map(({ id }) => id)).toEqual([...worstFirst].sort());
    expect(new Map(byName.map(({ id, state }) => [id, state]))).toEqual(
      new Map((await list({ order: 'worst' })).map(({ id, state }) => [id, state])),
    );
    expect(await names({ limit: 3 })).toEqual(['Us-9', 'eu-1', 'eu-2']);
    expect(await names({ limit: 3, after: 'eu-2' })).toEqual(['eu-3', 'eu-4', 'eu-5']);
    expect(await names({ states: ['failed', 'behind'] })).toEqual(['eu-2', 'eu-4', 'eu-6', 'eu-7', 'us-2']);
    expect(await names({ states: ['failed', 'behind'], after: 'eu-4', limit: 2 })).toEqual(['eu-6', 'eu-7']);
  });

  it('by state, region, label, build, project and the beginning of the name', async () => {
    expect(await names({ order: 'worst', states: ['offline', 'failed'] })).toEqual(worstFirst.slice(0, 5));
    expect(await names({ order: 'worst', region: 'us' })).toEqual(['us-2', 'Us-9', 'us-1', 'us_2']);
    expect(await names({ find: 'rack=r1' })).toEqual(['eu-1', 'us-1']);
    expect(await names({ find: 'rack=r1', region: 'us' })).toEqual(['us-1']);
    expect(await names({ find: 'rack=r' })).toEqual([]);
    expect(await names({ build: old })).toEqual(['eu-2', 'eu-4', 'eu-5']);
    expect(await names({ build: old, states: ['behind'], order: 'worst' })).toEqual(['eu-2']);
    expect(await names({ build: old, project: 'books' })).toEqual([]);
    expect(await names({ find: 'us-' })).toEqual(['us-1', 'us-2']);
    expect(await names({ find: 'us_' })).toEqual(['us_2']);
    expect(await names({ find: 'u%' })).toEqual([]);
    expect(await names({ find: "'; drop table machines --" })).toEqual([]);
  });

  it('as far as the caller, or the project asked for, makes them what they are', async () => {
    expect(await names({ project: 'books', states: ['failed'], order: 'worst' })).toEqual(['us-2']);
    expect(await names({ project: 'shop', states: ['failed'], order: 'worst' })).toEqual(['eu-4', 'eu-6']);
    const seen = await list({ order: 'worst' }, 'viewer-token');
    expect(seen.filter(({ state }) => state === 'failed').map(({ id }) => id)).toEqual(['us-2']);
    expect(seen.filter(({ state }) => state === 'behind')).toEqual([]);
    expect(seen.flatMap(({ projects }) => projects.map(({ project }) => project))).toEqual(['books']);
    expect(await names({ build: old }, 'viewer-token')).toEqual([]);
  });

  it('and counted as they are listed', async () => {
    const { counts } = api.as('admin-token').machines;
    expect(await counts.query({})).toEqual([
      { region: 'eu', machines: 7, failed: 2, offline: 2, behind: 2, done: 1 },
      { region: 'us', machines: 4, failed: 1, offline: 0, behind: 0, done: 3 },
    ]);
    for (const filter of [
      { region: 'us' },
      { find: 'eu-' },
      { find: 'rack=r1' },
      { build: old },
      { project: 'shop' },
    ]) {
      const counted = await counts.query(filter);
      for (const state of ['failed', 'offline', 'behind', 'done'] as const) {
        const listed = await names({ ...filter, states: [state], order: 'worst' });
        expect(
          counted.reduce((sum, region) => sum + region[state], 0),
          `${JSON.stringify(filter)} ${state}`,
        ).toBe(listed.length);
      }
    }
  });
});

describe('the machines of a deployment', () => {
  let id: number;
  const fared = {
    'eu-1': 'COMMITTED',
    'eu-2': 'FETCHING',
    'eu-3': 'COMMITTED',
    'eu-4': 'FAILED',
    'us-1': 'FAILED',
  } as const;
  beforeAll(async () => {
    const { build } = await addBuild(test.database, 'shop');
    const [row] = await test.database
      .insert(deployments)
      .values({
        ...{ project: 'shop', buildId: build.buildId, kind: 'DEPLOY', requestedBy: 'ada', reason: '', salt: 's' },
        ...{ status: 'RUNNING', startedAt: new Date() },
      })
      .returning();
    id = row!.id;
    await test.database.insert(deploymentMachines).values(
      Object.entries(fared).map(([machineId, step]) => ({
        ...{ deployment: id, machine: machineId, step, detail: '', sequence: 1 },
      })),
    );
  });
  type Filter = Omit<Parameters<ReturnType<typeof admin>['deployments']['machines']['query']>[0], 'id'>;
  const read = (filter: Filter) => admin().deployments.machines.query({ id, ...filter });
  const states = async (filter: Filter) => (await read(filter)).map(({ machine: name, state }) => `${name} ${state}`);
  const others = ['Us-9', 'eu-2', 'eu-7', 'us-2', 'us_2'];

  it('are listed the worst first while it runs; what was confirmed counts when it is over', async () => {
    expect(await states({ order: 'worst' })).toEqual([
      ...['eu-4 failed', 'us-1 failed', 'eu-3 offline', 'eu-5 offline', 'eu-6 offline'],
      ...others.map((name) => `${name} behind`),
      'eu-1 done',
    ]);
    await test.database.execute(sql`update deployments set status = 'SUCCEEDED' where id = ${id}`);
    expect(await states({ order: 'worst' })).toEqual([
      ...['eu-4 failed', 'us-1 failed', 'eu-5 offline', 'eu-6 offline'],
      ...others.map((name) => `${name} behind`),
      ...['eu-1 done', 'eu-3 done'],
    ]);
    expect((await states({})).toSorted()).toEqual((await states({ order: 'worst' })).toSorted());
  });

  it('are all counted when it is over, also those that were away and never said a word', async () => {
    await test.database.execute(sql`update deployments set status = 'SUCCEEDED' where id = ${id}`);
    expect((await admin().deployments.get.query({ id })).regions).toMatchObject([
      { region: 'eu', machines: 7, done: 2, failed: 1, offline: 2, inProgress: 2, waiting: 0, notReached: 0 },
      { region: 'us', machines: 4, done: 0, failed: 1, offline: 0, inProgress: 3, waiting: 0, notReached: 0 },
    ]);
  });

  it.each([1, 2, 4, 11])('page by page, %i at a time, and by state, region and name', async (limit) => {
    const all = (await read({ order: 'worst' })).map(({ machine: name }) => name);
    const found: string[] = [];
    for (let place: Filter = {}; ; ) {
      const page = await read({ order: 'worst', limit, ...place });
      found.push(...page.map(({ machine: name }) => name));
      if (page.length < limit) break;
      place = { after: page.at(-1)!.machine, afterState: page.at(-1)!.state };
    }
    expect(found).toEqual(all);
    expect(await states({ state: 'failed', order: 'worst' })).toEqual(['eu-4 failed', 'us-1 failed']);
    expect(await states({ state: 'failed', region: 'us' })).toEqual(['us-1 failed']);
    expect(await states({ find: 'eu-4' })).toEqual(['eu-4 failed']);
    expect(await states({ state: 'done', after: 'eu-1' })).toEqual(['eu-3 done']);
  });

  it('climb as they are done, in few points however many they are', async () => {
    await test.database.execute(sql`delete from deployment_machines where deployment = ${id}`);
    expect(await admin().deployments.burnUp.query({ id })).toEqual([]);
    await test.database.execute(sql`
      insert into deployment_machines (deployment, machine, step, detail, sequence, updated_at)
      select ${id}, 'x-' || n, case when n % 10 = 0 then 'FAILED' else 'COMMITTED' end, '', 1,
        timestamptz '2026-01-01' + n * interval '1 s' from generate_series(1, 2000) n`);
    const points = await admin().deployments.burnUp.query({ id });
    expect(points.length).toBeGreaterThan(100);
    expect(points.length).toBeLessThanOrEqual(120);
    expect(points.at(-1)).toEqual({ at: '2026-01-01T00:33:19.000Z', done: 1_800 });
    expect(points.map(({ done }) => done)).toEqual(points.map(({ done }) => done).toSorted((a, b) => a - b));
    const middle = points[60]!;
    const seconds = (Date.parse(middle.at) - Date.parse('2026-01-01')) / 1_000;
    expect(middle.done).toBe(seconds - Math.floor(seconds / 10));
  });
});

it('machines are taken out of the fleet, come back with nothing that is still on its way, and history keeps them', async () => {
  await machine('old-1');
  await machine('old-2', { region: 'us' });
  await test.database
    .insert(identities)
    .values({ kind: 'agent', name: 'old-1', region: 'eu', tokenHash: 'hash of old-1' });
  await expect(
    api.as('viewer-token').machines.decommission.mutate({ ids: ['old-1'], reason: '' }),
  ).rejects.toMatchObject({ data: { starlingCode: 'FORBIDDEN' } });
  await expect(admin().machines.decommission.mutate({ ids: ['old-1', 'never-1'], reason: '' })).rejects.toThrow(
    'There is no machine "never-1".',
  );
  expect(await names({ find: 'old-' }), 'nothing was done').toEqual(['old-1', 'old-2']);
  const said = { ids: ['old-2', 'old-1', 'old-1'], reason: 'scrapped' };
  expect(await admin().machines.decommission.mutate(said)).toEqual({ decommissioned: ['old-1', 'old-2'] });
  expect(await names({ find: 'old-' })).toEqual([]);
  // A report that its hub had not yet passed on.
  const late = { machine: 'old-1', labels: {}, agentVersion: '1', address: 'a', connected: true };
  await foldHubReport(test.database, { hub: 'h', region: 'eu', machines: [late], reports: [], progress: [] });
  expect(await names({ find: 'old-' })).toEqual([]);
  const [audited] = await admin().audit.list.query({ action: 'machine.decommission' });
  expect(audited).toMatchObject({
    target: '2 machines',
    details: { machines: ['old-1', 'old-2'], reason: 'scrapped' },
  });
  await expect(admin().machines.decommission.mutate({ ids: ['old-2'], reason: '' })).rejects.toThrow('no machine');
  expect(await admin().machines.decommission.mutate({ ids: ['old-1'], reason: '' })).toEqual({ decommissioned: [] });
});
