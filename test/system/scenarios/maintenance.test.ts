import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { waitsForWindow } from '@starling/shared/maintenance.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type StarlingUnderTest, settled, startUnderTest } from '../starling-under-test.ts';
import { startExtraMachine } from './extra-machine.ts';
import { newBuild } from './shop.ts';

// A till that may be touched for some hours only, beside machines that may be touched at any time. Its agent has a clock that
// this test moves, as nobody wants to wait for the night.

const hour = 3_600_000;
const patience = { timeout: 60_000, interval: 200 };
let starling: StarlingUnderTest;

beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 1 });
});
afterAll(() => starling?.discard());

/** An environment whose agent reads, each time that it asks for the time, how far its clock is ahead. */
async function movableClock(name: string) {
  const [ahead, patch] = [join(starling.data, `${name}-ahead`), join(starling.data, `${name}.mjs`)];
  const set = (milliseconds: number) => writeFile(ahead, String(milliseconds));
  await set(0);
  await writeFile(
    patch,
    `import { readFileSync } from 'node:fs';
const real = Date.now;
Date.now = () => real() + (Number(readFileSync(${JSON.stringify(ahead)}, 'latin1')) || 0);\n`,
  );
  return { set, environment: { NODE_OPTIONS: `--import=${pathToFileURL(patch).href}` } };
}

it('outside its window a machine makes ready and goes no further; inside it goes over; a hotfix and a rollback pass', async () => {
  const good = await newBuild(starling);
  const first = await starling.api.deployments.deploy.mutate({ project: 'shop', build: good });
  expect(await settled(starling, first.id)).toMatchObject({ status: 'SUCCEEDED' });

  const clock = await movableClock('till');
  const till = await startExtraMachine(starling, 'till-1', 'eu-west', {
    STARLING_LABELS: 'role=till',
    ...clock.environment,
  });
  try {
    const place = join(till.dataFolder, 'projects/shop');
    const stateOf = async () =>
      (await starling.api.machines.get.query({ id: 'till-1' })).projects.find(({ project }) => project === 'shop');
    const is = (state: Record<string, string>) =>
      vi.waitFor(async () => expect(await stateOf()).toMatchObject(state), patience);
    const waits = (build: string, desiredBuild: string) =>
      is({ step: 'STAGED', detail: waitsForWindow, observedBuild: build, desiredBuild });
    const programOf = async () => JSON.parse(await readFile(join(place, 'program.json'), 'utf8')).process.pid as number;
    await vi.waitFor(
      async () =>
        expect(await starling.api.machines.list.query({ find: 'till-1', limit: 1 })).toMatchObject([{ online: true }]),
      patience,
    );
    await is({ step: 'COMMITTED', observedBuild: good });

    // From two hours from now, for two hours; on every day, so that midnight does not matter.
    const at = (hours: number) => new Date(Date.now() + hours * hour).toISOString().slice(11, 16);
    const days = (['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const).slice();
    const window = { days, from: at(2), to: at(4), timeZone: 'UTC' };
    await starling.api.projects.configure.mutate({
      project: 'shop',
      settings: { maintenance: [{ labels: { role: 'till' }, windows: [window] }] },
    });

    const before = await programOf();
    const next = await newBuild(starling);
    const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build: next });
    const ended = await settled(starling, id);
    expect(ended).toMatchObject({ status: 'SUCCEEDED' });
    await waits(good, next);
    expect(await programOf(), 'the old program was not touched').toBe(before);
    const { regions } = await starling.api.deployments.get.query({ id });
    expect(regions.find(({ region }) => region === 'eu-west')).toMatchObject({
      ...{ machines: 2, done: 1, inProgress: 0, offline: 0, waiting: 1 },
    });
    const shown = await starling.cli('deployment', String(id));
    expect(shown.stdout).toMatch(/OFFLINE\s+WAITING/);
    expect(shown.stdout).toContain('1 waits for its maintenance window');

    await clock.set(3 * hour);
    await is({ step: 'COMMITTED', observedBuild: next });
    expect(await programOf()).not.toBe(before);
    await clock.set(0);

    // Nobody waits for the night to go back, or with what cannot wait.
    expect(await starling.cli('rollback', 'shop', '--wait', '--reason', 'prices')).toMatchObject({ code: 0 });
    await is({ step: 'COMMITTED', observedBuild: good });
    const urgent = await newBuild(starling);
    const hotfix = { project: 'shop', build: urgent, hotfix: true, reason: 'prices' };
    expect(await settled(starling, (await starling.api.deployments.deploy.mutate(hotfix)).id)).toMatchObject({
      status: 'SUCCEEDED',
      outcome: '4 machines run it',
    });
    await is({ step: 'COMMITTED', observedBuild: urgent });

    // A canary of nobody but tills is waited for; whoever is on call may let it through.
    const later = await newBuild(starling);
    const rollout = { waves: [{ labels: { role: 'till' } }] };
    const inWaves = await starling.api.deployments.deploy.mutate({ project: 'shop', build: later, rollout });
    await waits(urgent, later);
    const told = await starling.cli('deployment', String(inWaves.id));
    expect(told.stdout).toMatch(/eu-west +0 % +2 +0 +0 +0 +0 +1 +1/);
    expect(await starling.cli('promote', String(inWaves.id))).toMatchObject({ code: 0 });
    expect(await settled(starling, inWaves.id)).toMatchObject({
      status: 'SUCCEEDED',
      outcome: '3 machines run it; 1 waits for its maintenance window',
    });
  } finally {
    await till.child.stop();
  }
});
