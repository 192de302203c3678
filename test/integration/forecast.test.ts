import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { openBlobStore } from '@starling/server/blobs/open-store.ts';
import { foldHubReport } from '@starling/server/fleet/fold-hub-report.ts';
import { Forecaster } from '@starling/server/forecast/forecaster.ts';
import { startForecastRecorder } from '@starling/server/forecast/recorder.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import type { Loop } from '@starling/server/lib/loop.ts';
import { systemClock } from '@starling/shared/clock.ts';
import type { SwarmView } from '@starling/shared/swarm-view.ts';
import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { deployments, machineProjects, machines } from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
let api: TestApi;
let folder: string;
let [before, after] = ['', ''];
let forecaster: Forecaster;
const loops: Loop[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-forecast-'));
  forecaster = new Forecaster(openBlobStore(pathToFileURL(folder).href));
  await addRegions(test.database, ['eu', 'us']);
  before = (await addBuild(test.database, 'shop')).build.buildId;
  after = (await addBuild(test.database, 'shop', { packBytes: 500_000_000 })).build.buildId;
  await grantToken(test.database, 'ada', 'admin', 'ada-token');
  api = await startTestApi(test.database, { forecaster });
  for (let index = 0; index < 30; index += 1) {
    const [id, region] = [`m${index}`, index < 20 ? 'eu' : 'us'];
    await test.database.insert(machines).values({
      ...{ id, region, labels: { rack: `r${index % 3}` }, agentVersion: '1', address: 'a', hub: 'h', connected: true },
    });
    await test.database.insert(machineProjects).values({
      ...{ machine: id, project: 'shop', step: 'COMMITTED', observedBuild: index === 0 ? after : before },
      ...{ desiredBuild: before, detail: '', sequence: 1 },
    });
  }
});
afterEach(() => Promise.all(loops.splice(0).map((loop) => loop.stop())));
afterAll(async () => {
  await api.stop();
  await rm(folder, { recursive: true, force: true });
});

const forecast = () =>
  api.as('ada-token').forecasts.get.query({
    project: 'shop',
    build: after,
    rollout: {
      waves: [
        { fraction: 0.1, bakeTime: '1m' },
        { fraction: 1, bakeTime: '0s' },
      ],
    },
  });

it('goes by the fleet that is there: waves, regions, what machines run', async () => {
  const foretold = await forecast();
  expect(foretold).toMatchObject({ build: after, machines: 30, bytes: 29 * 500_000_000 });
  expect(foretold.waves.map(({ bakeMs }) => bakeMs)).toEqual([60_000, 0]);
  expect(foretold.waves.reduce((sum, wave) => sum + wave.machines, 0)).toBe(30);
  expect(foretold.bases).toEqual([
    { build: before, machines: 29, bytesEach: 500_000_000 },
    { build: after, machines: 1, bytesEach: 0 },
  ]);
  expect(foretold.regions.map(({ region, machines: of, isMeasured }) => [region, of, isMeasured])).toEqual([
    ['eu', 20, false],
    ['us', 10, false],
  ]);
  expect(foretold.totalMs).toBeGreaterThan(60_000);
  expect(foretold.assumptions.length).toBeGreaterThan(0);
});

it('is written to a deployment when it begins, what was measured when it ends, and that is what the next one goes by', async () => {
  const [row] = await test.database
    .insert(deployments)
    .values({
      ...{
        project: 'shop',
        buildId: after,
        kind: 'DEPLOY',
        status: 'RUNNING',
        requestedBy: 'ada',
        reason: '',
        salt: 's',
      },
      startedAt: new Date(),
    })
    .returning();
  const { id } = row!;
  const start = () =>
    loops.push(startForecastRecorder({ database: test.database, forecaster, everyMs: 50, clock: systemClock, log }));
  start();
  const got = () => api.as('ada-token').deployments.get.query({ id });
  await vi.waitFor(async () => expect((await got()).forecast).not.toBeNull(), 20_000);
  const { forecast: written } = await got();
  expect(written).toMatchObject({ machines: 30, waves: [{ wave: 1, machines: 30 }] });
  expect((await got()).measured).toBeNull();
  const view: SwarmView = {
    ...{ project: 'shop', deployment: id, shares: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20], racks: [], racksLeftOut: 0 },
    ...{ bytesDone: 5, bytesTotal: 5, bytesPerSecond: 0, wrongPieces: 0, slowest: [] },
    sources: { peers: 4, hub: 1, http: 0, base: 0 },
    measured: { machines: 20, medianBytesPerSecond: 40e6, fastBytesPerSecond: 50e6, medianMs: 9_000 },
  };
  await foldHubReport(test.database, {
    ...{ hub: 'h', region: 'eu', machines: [], progress: [], swarms: [view] },
    reports: [
      {
        ...{ machine: 'm1', sequence: 9, at: 0, project: 'shop', step: 'COMMITTED', detail: '' },
        ...{ observedBuild: after, desiredBuild: after, deployment: id },
      },
    ],
  });
  const finishedAt = new Date(row!.startedAt!.getTime() + 25_000);
  await test.database.update(deployments).set({ status: 'SUCCEEDED', finishedAt }).where(eq(deployments.id, id));
  await vi.waitFor(async () => expect((await got()).measured).not.toBeNull(), 20_000);
  const { measured, forecast: kept } = await got();
  expect(measured).toMatchObject({
    totalMs: 25_000,
    sources: view.sources,
    regions: [{ region: 'eu', machines: 20, bytesPerSecond: 50e6, fetchMs: 9_000 }],
  });
  expect(kept, 'written once').toEqual(written);
  const [listed] = await api.as('ada-token').deployments.list.query({});
  expect(listed).not.toHaveProperty('forecast');
  const next = await forecast();
  expect(next.regions.map(({ region, bytesPerSecond, isMeasured }) => [region, bytesPerSecond, isMeasured])).toEqual([
    ['eu', 50e6, true],
    ['us', 117_500_000, false],
  ]);
});
