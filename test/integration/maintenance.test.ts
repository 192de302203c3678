import { grantToken } from '@starling/server/accounts/tokens.ts';
import { foldHubReport } from '@starling/server/fleet/fold-hub-report.ts';
import { deploymentRows } from '@starling/server/rollouts/deployment-rows.ts';
import { waitsForWindow } from '@starling/shared/maintenance.ts';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projects, replicas } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
let api: TestApi;
beforeAll(async () => {
  await addRegions(test.database, ['eu']);
  await grantToken(test.database, 'admin', 'admin', 'admin-token');
  api = await startTestApi(test.database);
});
afterAll(() => api.stop());

it('machines that wait for their window count apart, and the rules of a project are read as they were set', async () => {
  const { build } = await addBuild(test.database, 'shop');
  await test.database.update(replicas).set({ status: 'REPLICATED' });
  const machines = ['m1', 'm2', 'm3'].map((machine) => ({
    machine,
    labels: {},
    agentVersion: '1',
    address: '127.0.0.1:1',
    connected: true,
  }));
  const report = (reports: Parameters<typeof foldHubReport>[1]['reports']) =>
    foldHubReport(test.database, { hub: 'hub', region: 'eu', machines, reports, progress: [] });
  await report([]);
  const admin = api.as('admin-token');
  const window = { days: ['sun' as const], from: '01:00', to: '05:00', timeZone: 'UTC' };
  const rules = [{ labels: { role: 'till' }, windows: [window] }];
  await admin.projects.configure.mutate({ project: 'shop', settings: { maintenance: rules } });
  const { id } = await admin.deployments.deploy.mutate({ project: 'shop', build: build.buildId });
  const said = (machine: string, step: 'COMMITTED' | 'STAGED', detail = '') => ({
    machine,
    sequence: 1,
    at: 0,
    project: 'shop',
    step,
    observedBuild: null,
    desiredBuild: build.buildId,
    deployment: id,
    detail,
  });
  await report([said('m1', 'COMMITTED'), said('m2', 'STAGED', waitsForWindow), said('m3', 'STAGED')]);
  const rows = deploymentRows(test.database);
  const running = (await rows.running()).find((deployment) => deployment.id === id);
  expect(running?.counts).toEqual({ done: 1, failed: 0, inProgress: 1, offline: 0, waiting: 1 });
  const { regions } = await admin.deployments.get.query({ id });
  expect(regions).toMatchObject([{ machines: 3, done: 1, inProgress: 1, offline: 0, waiting: 1 }]);
  expect(await rows.maintenance()).toEqual(new Map([['shop', rules]]));
  await test.database.update(projects).set({ settings: {} }).where(eq(projects.name, 'shop'));
  expect(await rows.maintenance()).toEqual(new Map());
});
