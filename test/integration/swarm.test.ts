import { grantToken } from '@starling/server/accounts/tokens.ts';
import { foldHubReport } from '@starling/server/fleet/fold-hub-report.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { openMetrics } from '@starling/server/metrics/metrics.ts';
import { sweepRows } from '@starling/server/retention/sweep-rows.ts';
import type { HubReport } from '@starling/shared/hub-protocol.ts';
import { type FetchAccount, noBytes, type SwarmView } from '@starling/shared/swarm-view.ts';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deploymentMachines, deployments, machines, swarmViews } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
let api: TestApi;
let buildId: string;
let deployment: number;

beforeAll(async () => {
  await addRegions(test.database, ['eu', 'us']);
  buildId = (await addBuild(test.database, 'shop')).build.buildId;
  await grantToken(test.database, 'ada', 'admin', 'ada-token');
  await grantToken(test.database, 'eve', 'viewer', 'eve-token');
  await test.database.execute(sql`
    update role_grants set project = 'other' where account = (select id from accounts where name = 'eve')`);
  api = await startTestApi(test.database);
});
afterAll(() => api.stop());
beforeEach(async () => {
  for (const table of [swarmViews, deploymentMachines, machines, deployments]) await test.database.delete(table);
  const [row] = await test.database
    .insert(deployments)
    .values({
      ...{ project: 'shop', buildId, kind: 'DEPLOY', status: 'RUNNING', requestedBy: 'ada', reason: '', salt: 's' },
      startedAt: new Date(),
    })
    .returning();
  deployment = row!.id;
});

const account: FetchAccount = {
  ...{ sources: { ...noBytes, peers: 40, hub: 10 }, lanes: 0, useful: 0, asked: 0 },
  ...{ wrongPieces: 0, diskShare: 0, stillMs: 9_000 },
};
const viewOf = (more: Partial<SwarmView> = {}): SwarmView => ({
  ...{ project: 'shop', deployment, shares: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], racksLeftOut: 0 },
  racks: [{ rack: 'r1', shares: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], bytesPerSecond: 5 }],
  ...{ bytesDone: 210, bytesTotal: 300, bytesPerSecond: 5, sources: account.sources, wrongPieces: 0, slowest: [] },
  measured: { machines: 2, medianBytesPerSecond: 50, fastBytesPerSecond: 60, medianMs: 4_000 },
  ...more,
});
const fold = (region: string, more: Partial<HubReport>, hub = `hub-${region}`) =>
  foldHubReport(test.database, { hub, region, machines: [], reports: [], progress: [], ...more });
const machine = { machine: 'm1', labels: { rack: 'r1' }, agentVersion: '1', address: 'a', connected: true };
const progress = (more: object = {}) => ({
  ...{
    machine: 'm1',
    project: 'shop',
    deployment,
    bytesDone: 50,
    bytesTotal: 100,
    bytesPerSecond: 5,
    account,
    ...more,
  },
});

describe('what hubs see of swarms', () => {
  it('is one row for each hub and deployment, and is added up over regions', async () => {
    await fold('eu', { swarms: [viewOf({ bytesDone: 1 })] });
    await fold('eu', { swarms: [viewOf()] });
    await fold('us', { swarms: [viewOf({ measured: { ...viewOf().measured, machines: 9 } })] });
    await fold('us', { swarms: [viewOf()] }, 'hub-us-2');
    expect(await test.database.select().from(swarmViews)).toHaveLength(3);
    const seen = await api.as('ada-token').swarm.get.query({ deployment });
    expect(seen).toMatchObject({ deployment, build: buildId, status: 'RUNNING' });
    expect(seen.view).toMatchObject({ bytesDone: 630, bytesTotal: 900, bytesPerSecond: 15 });
    expect(seen.view?.shares).toEqual([3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6]);
    expect(seen.view?.sources).toMatchObject({ peers: 120, hub: 30 });
    expect(seen.view?.measured.machines).toBe(13);
    expect(seen.regions.map(({ region, bytesDone, isLive }) => [region, bytesDone, isLive])).toEqual([
      ['eu', 210, true],
      ['us', 420, true],
    ]);
    const ofBuild = await api.as('ada-token').swarm.get.query({ build: buildId });
    expect(ofBuild.view).toEqual(seen.view);
  });

  it('is left out when it is of no deployment, or of one that another project has', async () => {
    await fold('eu', { swarms: [viewOf({ deployment: deployment + 1_000 }), viewOf({ project: 'other' })] });
    expect(await test.database.select().from(swarmViews)).toEqual([]);
    expect((await api.as('ada-token').swarm.get.query({ deployment })).view).toBeNull();
  });

  it('goes an hour after the deployment has ended, and with the night when its hub is gone', async () => {
    await fold('eu', { swarms: [viewOf()] });
    await fold('us', { swarms: [viewOf()] });
    const ended = { status: 'SUCCEEDED' as const, finishedAt: new Date(Date.now() - 7_200_000) };
    await test.database.update(deployments).set(ended).where(eq(deployments.id, deployment));
    await fold('eu', { swarms: [viewOf()] });
    expect((await test.database.select().from(swarmViews)).map(({ hub }) => hub)).toEqual(['hub-us']);
    await test.database.update(swarmViews).set({ saidAt: sql`now() - interval '2 days'` });
    await sweepRows(test.database, new AbortController().signal);
    expect(await test.database.select().from(swarmViews)).toEqual([]);
  });

  it('is for those who may see the project', async () => {
    await expect(api.as('eve-token').swarm.get.query({ deployment })).rejects.toThrow();
    await expect(api.as('ada-token').swarm.get.query({})).rejects.toThrow('Name a deployment or a build');
  });
});

it('is in the metrics while the deployment runs', async () => {
  const metrics = openMetrics({ database: test.database, targetWaitMs: 60_000, log: createLogger('test', 'silent') });
  const slow = { machine: 'm1', rack: '', bytesDone: 0, bytesTotal: 1, bytesPerSecond: 0, account: null };
  await fold('eu', { swarms: [viewOf({ slowest: [{ ...slow, reason: 'NO_PEER' }] })] });
  const { text } = await metrics.read();
  expect(text).toContain('starling_swarm_machines{project="shop",region="eu",state="complete"} 2');
  expect(text).toContain('starling_swarm_machines{project="shop",region="eu",state="fetching"} 1');
  expect(text).toContain('starling_swarm_bytes{project="shop",region="eu",source="peers"} 40');
  expect(text).toContain('starling_swarm_slow_machines{project="shop",region="eu",reason="no_peer"} 1');
  await test.database.update(deployments).set({ status: 'SUCCEEDED', finishedAt: new Date() });
  expect((await metrics.read()).text).not.toContain('starling_swarm_machines{');
});

describe('a machine, explained', () => {
  it('says how far it is, from whom it has what, and why it does not go on', async () => {
    await fold('eu', { machines: [machine], progress: [progress()], swarms: [viewOf()] });
    const explained = await api.as('ada-token').swarm.machine.query({ machine: 'm1' });
    expect(explained).toMatchObject({ machine: 'm1', region: 'eu', rack: 'r1', hub: 'hub-eu' });
    expect(explained.fetches).toMatchObject([
      { deployment, build: buildId, step: 'FETCHING', bytesDone: 50, account, reason: 'NO_PEER' },
    ]);
    expect(explained.fetches[0]?.why).toContain('connected to no member');
    expect((await api.as('eve-token').swarm.machine.query({ machine: 'm1' })).fetches).toEqual([]);
    await expect(api.as('ada-token').swarm.machine.query({ machine: 'm2' })).rejects.toThrow('no machine "m2"');
  });

  it('that waits changes what is known of it, but not when it last got on', async () => {
    await fold('eu', { machines: [machine], progress: [progress()] });
    const row = async () => (await test.database.select().from(deploymentMachines))[0]!;
    const before = await row();
    await fold('eu', { progress: [progress({ account: { ...account, stillMs: 20_000 } })] });
    const after = await row();
    expect(after.account?.stillMs).toBe(20_000);
    expect(after.updatedAt).toEqual(before.updatedAt);
    await fold('eu', { progress: [progress({ bytesDone: 60 })] });
    expect((await row()).updatedAt.getTime()).toBeGreaterThan(before.updatedAt.getTime());
  });
});
