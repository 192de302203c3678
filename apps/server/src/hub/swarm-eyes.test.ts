import {
  type FetchAccount,
  mostRacks,
  mostSlowest,
  mostViews,
  noBytes,
  swarmView,
} from '@starling/shared/swarm-view.ts';
import { beforeEach, expect, it } from 'vitest';
import { SwarmEyes } from './swarm-eyes.ts';
import { makeBuild, makeKey, startTestHub, TestAgent, until } from './test-hub.ts';

let now: number;
let eyes: SwarmEyes;
beforeEach(() => {
  now = 1_000_000;
  eyes = new SwarmEyes({ now: () => now });
});

const account: FetchAccount = {
  ...{ sources: { ...noBytes, peers: 5, hub: 2 }, lanes: 4, useful: 3, asked: 2 },
  ...{ wrongPieces: 0, diskShare: 0.1, stillMs: 0 },
};
const said = (bytesDone: number, more = {}) => ({
  ...{ project: 'shop', deployment: 7, bytesDone, bytesTotal: 100, bytesPerSecond: 10, account, ...more },
});

it('folds what machines say: shares, racks, rates, sources, and who is slow and why', () => {
  eyes.note('m1', { rack: 'a' }, said(100));
  eyes.note('m2', { rack: 'a' }, said(55));
  eyes.note('m3', { rack: 'b' }, said(5, { bytesPerSecond: 1, account: { ...account, diskShare: 1 } }));
  eyes.note('m4', {}, said(60));
  const [view, ...others] = eyes.due();
  expect(others).toEqual([]);
  expect(view).toMatchObject({ project: 'shop', deployment: 7, shares: [1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1] });
  expect(
    view?.racks.map(({ rack }) => rack),
    'least complete first',
  ).toEqual(['b', 'a', '']);
  expect(view).toMatchObject({ bytesDone: 220, bytesTotal: 400, bytesPerSecond: 21 });
  expect(view?.sources).toEqual({ peers: 20, hub: 8, http: 0, base: 0 });
  expect(view?.slowest.map(({ machine, reason }) => [machine, reason])).toEqual([
    ['m3', 'SLOW_DISK'],
    ['m2', 'ON_ITS_WAY'],
    ['m4', 'ON_ITS_WAY'],
  ]);
  expect(swarmView.parse(view)).toEqual(view);
});

it('says a view again only when something changed, and now and then while something moves', () => {
  eyes.note('m1', {}, said(10));
  expect(eyes.due()).toHaveLength(1);
  expect(eyes.due()).toEqual([]);
  now += 10_000;
  expect(eyes.due()).toHaveLength(1);
  eyes.note('m1', {}, said(100));
  expect(eyes.due()).toHaveLength(1);
  now += 60_000;
  expect(eyes.due(), 'all is there').toEqual([]);
});

it('counts a machine in the last deployment of a project alone, and no longer when it has gone', () => {
  eyes.note('m1', {}, said(10));
  eyes.note('m2', {}, said(10));
  eyes.note('m1', {}, said(10, { deployment: 8 }));
  eyes.note('m1', {}, said(10, { deployment: 9, project: 'other' }));
  const counts = () => eyes.due().map(({ deployment, shares }) => [deployment, shares.reduce((sum, n) => sum + n, 0)]);
  expect(counts()).toEqual([
    [9, 1],
    [8, 1],
    [7, 1],
  ]);
  eyes.forget('m1');
  eyes.forget('m2');
  eyes.note('m3', {}, said(1));
  expect(counts()).toEqual([[7, 1]]);
});

it('measures what machines reached that fetched enough to tell', () => {
  const size = 64 * 1024 * 1024;
  for (const [machine, ms] of [
    ['m1', 1_000],
    ['m2', 2_000],
    ['m3', 4_000],
    ['m4', 100],
  ] as const) {
    now = 1_000_000;
    eyes.note(machine, {}, said(0, { bytesTotal: size }));
    now += ms;
    eyes.note(machine, {}, said(size, { bytesTotal: size }));
  }
  expect(eyes.due()[0]?.measured).toEqual({
    ...{ machines: 3, medianBytesPerSecond: size / 2, fastBytesPerSecond: size, medianMs: 2_000 },
  });
});

it('stays of bounded size, however many machines, racks and deployments there are', () => {
  for (let index = 0; index < 20_000; index += 1)
    eyes.note(`machine-${index}`, { rack: `rack-${index % 500}` }, said(index % 100));
  const [view] = eyes.due();
  expect([view?.slowest.length, view?.racks.length, view?.racksLeftOut]).toEqual([
    mostSlowest,
    mostRacks,
    500 - mostRacks,
  ]);
  expect(JSON.stringify(view).length).toBeLessThan(32 * 1024);
  for (let deployment = 100; deployment < 200; deployment += 1)
    eyes.note('m', {}, said(1, { deployment, project: `project-${deployment}` }));
  expect(eyes.due()).toHaveLength(mostViews);
});

it('is said to control by the hub, as long as the machine is there; the hub tells its own address, so that its bytes are known', async () => {
  const build = makeBuild(3_000_000);
  const { hub, keys, blobs, control, health } = await startTestHub();
  blobs.add(build);
  keys.put(makeKey(1, build));
  const agent = await TestAgent.join(hub.url, 'm1');
  await until(() => agent.of('welcome').length === 1);
  agent.say({ type: 'announce', infoHash: build.pack.torrent.infoHash, share: 0 });
  await until(() => (agent.of('peers').at(-1)?.peers.length ?? 0) > 0);
  expect(agent.of('peers').at(-1)?.peers).toMatchObject([agent.of('welcome')[0]!.swarm!]);
  const views = () => control.batches.flatMap(({ swarms = [] }) => swarms);
  agent.say({ type: 'progress', progress: said(40) });
  await until(() => views().length > 0);
  expect(views().at(-1)).toMatchObject({
    project: 'shop',
    deployment: 7,
    bytesDone: 40,
    sources: { peers: 5, hub: 2 },
  });
  control.failure = new Error('away');
  agent.say({ type: 'progress', progress: said(100) });
  await until(async () => (await health()).control.error === 'away');
  control.failure = undefined;
  await until(() => views().at(-1)?.bytesDone === 100);
});
