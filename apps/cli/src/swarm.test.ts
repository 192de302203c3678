import { expect, test } from 'vitest';
import { at, sampleDeployment } from './testing/samples.ts';
import { StubbedCli } from './testing/stubbed-cli.ts';

const stub = new StubbedCli();
const { inputOf, starling } = stub;

const account = {
  sources: { peers: 30 * 2 ** 20, hub: 2 ** 20, http: 0, base: 0 },
  ...{ lanes: 0, useful: 0, asked: 0, wrongPieces: 0, diskShare: 0.1, stillMs: 20_000 },
};
const slow = {
  ...{ machine: 'eu-7', rack: 'r1', bytesDone: 31 * 2 ** 20, bytesTotal: 62 * 2 ** 20, bytesPerSecond: 0 },
  ...{ reason: 'NO_PEER', account },
};
const view = {
  ...{ project: 'hello', deployment: 4, shares: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3], racksLeftOut: 2 },
  racks: [{ rack: 'r1', shares: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3], bytesPerSecond: 2 ** 20 }],
  ...{ bytesDone: 217 * 2 ** 20, bytesTotal: 248 * 2 ** 20, bytesPerSecond: 2 ** 20, wrongPieces: 1 },
  ...{ sources: account.sources, slowest: [slow] },
  measured: { machines: 3, medianBytesPerSecond: 2 ** 20, fastBytesPerSecond: 2 ** 21, medianMs: 62_000 },
};
const swarm = {
  ...{ deployment: 4, build: 'hello@1a2b3c4d5e6f', status: 'RUNNING', view },
  regions: [{ region: 'eu', saidAt: at, isLive: false, ...view }],
};

test('swarm shows regions, racks, where bytes came from, and the slowest with the reason', async () => {
  stub.server.answers['swarm.get'] = () => swarm;
  const { stdout, stderr, exitCode } = await starling('swarm', '#4');
  expect(exitCode, stderr).toBe(0);
  expect(inputOf('swarm.get')).toEqual({ deployment: 4 });
  expect(stdout).toMatch(/eu +87 % +4 +3 +1\.0 MiB\/s/);
  expect(stdout).toContain('bytes came: 30.0 MiB from other machines, 1.0 MiB from the hub in the swarm\n');
  expect(stdout).toContain('1 piece with wrong bytes');
  expect(stdout).toContain('eu: its hub last spoke');
  expect(stdout).toContain('and 2 racks more');
  expect(stdout).toMatch(/eu-7 +r1 +50 % .*no peer/);
  expect(stderr).toContain('starling swarm explain eu-7');
  expect(JSON.parse((await starling('swarm', 'hello@1a2b3c4d5e6f', '--json')).stdout)).toEqual(swarm);
  expect(stub.server.calls.at(-1)?.input).toEqual({ build: 'hello@1a2b3c4d5e6f' });
  expect((await starling('swarm', 'hello')).exitCode).toBe(2);
});

test('swarm --watch shows it again as it changes, and ends with the last that the hubs saw of it', async () => {
  const complete = { ...view, shares: [...new Array(10).fill(0), 4] };
  const seen = [swarm, swarm, { ...swarm, status: 'SUCCEEDED' }, { ...swarm, status: 'SUCCEEDED', view: complete }];
  let reads = 0;
  stub.server.answers['swarm.get'] = () => {
    reads += 1;
    return { ...seen[reads - 1], build: `hello@1a2b3c4d5e6${reads}` };
  };
  const watching = starling('swarm', '4', '--watch', '--json');
  const announcing = setInterval(() => stub.server.announce('machines'), 20);
  const { stdout, exitCode } = await watching;
  clearInterval(announcing);
  expect(exitCode).toBe(0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ status }) => status)).toEqual(['RUNNING', 'RUNNING', 'SUCCEEDED', 'SUCCEEDED']);
  expect(lines.at(-1).view).toEqual(complete);
});

test('swarm says so when nothing moved', async () => {
  stub.server.answers['swarm.get'] = () => ({ ...swarm, view: null, regions: [] });
  expect((await starling('swarm', '4')).stdout).toContain('Nothing moved');
});

test('swarm explain says what a machine fetches, from whom, and what it waits for', async () => {
  const fetch = {
    ...{ deployment: 4, project: 'hello', build: 'hello@1a2b3c4d5e6f', step: 'FETCHING', detail: '', account },
    ...{ bytesDone: 31 * 2 ** 20, bytesTotal: 62 * 2 ** 20, bytesPerSecond: 2 ** 20, updatedAt: at },
    ...{ reason: 'NO_PEER', why: 'It is connected to no member of the swarm.', usualBytesPerSecond: 2 ** 21 },
  };
  const machine = { machine: 'eu-7', region: 'eu', rack: 'r1', hub: 'hub-eu', fetches: [fetch] };
  stub.server.answers['swarm.machine'] = () => machine;
  const { stdout } = await starling('swarm', 'explain', 'eu-7');
  expect(stdout).toContain('eu-7 is in eu, rack r1, at the hub hub-eu.');
  expect(stdout).toContain('31.0 MiB of 62.0 MiB (50 %) at 1.0 MiB/s, about 31 s to go.');
  expect(stdout).toContain('still fetch have 2.0 MiB/s in the mean');
  expect(stdout).toContain('It is connected to no member of the swarm.');
  expect(stdout).toContain('So far: 30.0 MiB from other machines');
  const done = { ...fetch, step: 'COMMITTED', bytesDone: fetch.bytesTotal, reason: null, why: null };
  stub.server.answers['swarm.machine'] = () => ({ ...machine, fetches: [done] });
  expect((await starling('swarm', 'explain', 'eu-7')).stdout).toContain(
    'it fetched 62.0 MiB of 62.0 MiB; it is COMMITTED',
  );
  stub.server.answers['swarm.machine'] = () => ({ ...machine, fetches: [] });
  expect((await starling('swarm', 'explain', 'eu-7')).stdout).toContain('said nothing about any deployment');
});

const forecast = {
  ...{ build: 'hello@1a2b3c4d5e6f', totalMs: 100_000, machines: 10, bytes: 10 * 2 ** 30, hubBytes: 2 ** 30 },
  waves: [
    { wave: 1, machines: 1, fetchMs: 20_000, installMs: 5_000, bakeMs: 60_000, slowestRegion: 'eu' },
    { wave: 2, machines: 9, fetchMs: 8_000, installMs: 5_000, bakeMs: 0, slowestRegion: null },
  ],
  regions: [{ region: 'eu', machines: 10, bytes: 10 * 2 ** 30, bytesPerSecond: 2 ** 27, isMeasured: true }],
  bases: [
    { build: 'hello@0000000000aa', machines: 9, bytesEach: 2 ** 30 },
    { build: null, machines: 1, bytesEach: 0 },
  ],
  assumptions: ['The weather holds.'],
};

test('deploy --forecast says how long it would take and what moves, and deploys nothing', async () => {
  stub.server.answers['forecasts.get'] = () => forecast;
  const { stdout, stderr, exitCode } = await starling('deploy', 'hello', '1a2b', '--forecast', '--wave', '10%');
  expect(exitCode, stderr).toBe(0);
  expect(stub.server.calls.map(({ path }) => path)).toEqual(['forecasts.get']);
  expect(inputOf('forecasts.get')).toMatchObject({
    project: 'hello',
    rollout: { waves: [{ fraction: '10%' }] },
  });
  expect(stdout).toContain('hello@1a2b3c4d5e6f on 10 machines: about 1 m 40 s from when it begins\n10.0 GiB to fetch');
  expect(stdout).toContain('9 machines with hello@0000000000aa: 1.0 GiB each\n1 machine with no build: nothing');
  expect(stdout).toMatch(/1 +1 +20 s +5 s +1 m +eu/);
  expect(stdout).toMatch(/eu +10 +10\.0 GiB +128\.0 MiB\/s +measured/);
  expect(stdout).toContain('Assumed:\n  The weather holds.');
});

test.each([
  [null, 'forecast   1 m 40 s\n'],
  [{ totalMs: 125_000 }, 'forecast   1 m 40 s; it took 2 m 5 s, 25 % more\n'],
  [{ totalMs: 90_000 }, '10 % less'],
  [{ totalMs: 100_100 }, 'as foretold'],
])('deployment tells the forecast, and what came of it: %j', async (measured, said) => {
  stub.server.answers['deployments.get'] = () => sampleDeployment({ forecast, measured, status: 'SUCCEEDED' });
  stub.server.answers['deployments.machines'] = () => [];
  expect((await starling('deployment', '3')).stdout).toContain(said);
});
