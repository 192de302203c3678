import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isInWave, type VersionKey } from '@starling/shared/version-key.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type StarlingUnderTest, settled, startUnderTest } from '../starling-under-test.ts';
import { startExtraMachine } from './extra-machine.ts';
import { newBuild } from './shop.ts';

// Machines that enrol while a wave is under way, and one that sleeps through two versions. Whether a newcomer is in the wave
// is a matter of its name, so names are looked for that are and are not.

const patience = { timeout: 60_000, interval: 200 };
const region = 'eu-west';
let starling: StarlingUnderTest;
/** Where programs leave a mark of their build and machine as they start, and the machines that builds are well on. */
let [ran, well] = ['', ''];

beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 4, regions: [region] });
  [ran, well] = [join(starling.data, 'ran'), join(starling.data, 'well')];
  for (const folder of [ran, well]) {
    await mkdir(folder);
    await chmod(folder, 0o777);
  }
});
afterAll(() => starling?.discard());

/** A build that is well on every machine, or only on those that are let. */
const markedBuild = (name: string, whereLet = false) =>
  newBuild(starling, {
    run: { command: `: > ${ran}/${name}-$STARLING_MACHINE; exec sleep 1000000` },
    ...(whereLet && {
      health: `{ command: test -e ${well}/$STARLING_MACHINE, interval: 100ms, minHealthyTime: 300ms }`,
    }),
  });
const letBeWell = (machine: string) => writeFile(join(well, machine), '');
const deploy = async (build: string, rollout: object = {}) =>
  (await starling.api.deployments.deploy.mutate({ project: 'shop', build, rollout })).id;
const stateOf = async (id: string) =>
  (await starling.api.machines.get.query({ id })).projects.find(({ project }) => project === 'shop');
const is = (id: string, state: object) =>
  vi.waitFor(async () => expect(await stateOf(id)).toMatchObject(state), patience);
const started = async (machine: string) =>
  (await readdir(ran)).filter((mark) => mark.endsWith(`-${machine}`)).map((mark) => mark.slice(0, -machine.length - 1));
const counts = async (id: number) => (await starling.api.deployments.get.query({ id })).regions[0]!;

it('two machines enrol in the first wave: each runs at once what its name says, and is counted where it belongs', async () => {
  const good = await markedBuild('good');
  expect(await settled(starling, await deploy(good))).toMatchObject({ status: 'SUCCEEDED' });
  const next = await markedBuild('next', true);
  const id = await deploy(next, { waves: [{ fraction: '50%' }] });
  await vi.waitFor(
    async () => expect(await counts(id)).toMatchObject({ machines: 4, inProgress: 2, notReached: 2 }),
    patience,
  );
  const first = (await starling.api.deployments.machines.query({ id })).filter(({ reached }) => reached);
  for (const { machine } of first) await is(machine, { step: 'PROBING', desiredBuild: next });

  const keyFile = join(starling.data, 'machines', first[0]!.machine, 'keys/shop.json');
  const { candidate } = JSON.parse(await readFile(keyFile, 'utf8')) as VersionKey;
  const names = Array.from({ length: 200 }, (_, index) => `late-${index}`);
  const inside = names.find((name) => isInWave(candidate!, name, {}))!;
  const outside = names.find((name) => !isInWave(candidate!, name, {}))!;
  const children = await Promise.all([inside, outside].map((name) => startExtraMachine(starling, name, region)));
  try {
    await is(outside, { step: 'COMMITTED', observedBuild: good });
    await is(inside, { step: 'PROBING', desiredBuild: next });
    expect(await started(outside)).toEqual(['good']);
    expect(await started(inside)).toEqual(['next']);
    expect(await counts(id)).toMatchObject({ machines: 6, inProgress: 3, done: 0, notReached: 3, offline: 0 });

    // Those that were there are well; the wave is not over while the newcomer is not.
    for (const { machine } of first) await letBeWell(machine);
    await vi.waitFor(async () => expect(await counts(id)).toMatchObject({ done: 2, inProgress: 1 }), patience);
    expect(await starling.api.deployments.get.query({ id })).toMatchObject({ status: 'RUNNING', wave: 1 });
    expect(await started(outside)).toEqual(['good']);
    for (const name of [inside, outside, ...starling.machines]) await letBeWell(name);
    expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED', wave: 2, outcome: '6 machines run it' });
    expect(await counts(id)).toMatchObject({ machines: 6, done: 6, inProgress: 0, failed: 0, notReached: 0 });
    for (const name of [inside, outside, ...starling.machines])
      await is(name, { step: 'COMMITTED', observedBuild: next });
    expect((await started(outside)).toSorted()).toEqual(['good', 'next']);
  } finally {
    await Promise.all(children.map(({ child }) => child.stop()));
  }
});

it('a machine that was off for two versions goes straight to the newest, and fetches nothing of the one between', async () => {
  const one = await markedBuild('one');
  const { child, dataFolder } = await startExtraMachine(starling, 'sleeper', region);
  try {
    // What it was told first is not well on it, which keeps nothing newer out.
    await is('sleeper', { step: 'PROBING' });
    await settled(starling, await deploy(one));
    await is('sleeper', { step: 'COMMITTED', observedBuild: one });
    await child.stop();
    const [between, newest] = [await markedBuild('between'), await markedBuild('newest')];
    for (const build of [between, newest]) {
      expect(await settled(starling, await deploy(build))).toMatchObject({ status: 'SUCCEEDED' });
    }
    // It is counted apart and was not waited for.
    const [last] = await starling.api.deployments.list.query({ project: 'shop', limit: 1 });
    expect((await counts(last!.id)).offline).toBeGreaterThan(0);
    child.start();
    await is('sleeper', { step: 'COMMITTED', observedBuild: newest });
    expect((await started('sleeper')).filter((name) => name === 'between')).toEqual([]);
    expect((await started('sleeper')).filter((name) => name === 'newest')).toEqual(['newest']);
    const slots = await readdir(join(dataFolder, 'projects/shop/slots'));
    expect(slots.filter((slot) => slot.startsWith(between.slice('shop@'.length)))).toEqual([]);
  } finally {
    await child.stop();
  }
});
