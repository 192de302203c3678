import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { built, commit, everywhere, type StarlingUnderTest, settled, startUnderTest } from './starling-under-test.ts';

// A release in waves on real agents: what the canary says decides, and whoever is not in the wave never hears of it.

let starling: StarlingUnderTest;
/** Where each program leaves a mark of its build and machine when it starts. */
let ran: string;
/** The machines that the picky build is well on. */
let well: string;
const builds = { good: '', never: '', picky: '', newer: '' };

beforeAll(async () => {
  starling = await startUnderTest();
  [ran, well] = [join(starling.data, 'ran'), join(starling.data, 'well')];
  for (const folder of [ran, well]) {
    await mkdir(folder);
    await chmod(folder, 0o777);
  }
  const repository = join(starling.data, 'till');
  const health = {
    good: 'test -x serve',
    never: '"false"',
    picky: `test -e ${well}/$STARLING_MACHINE`,
    newer: '"true"',
  };
  for (const name of Object.keys(builds) as (keyof typeof builds)[]) {
    const serve = `#!/bin/sh\n: > ${ran}/${name}-$STARLING_MACHINE\nexec sleep 3600\n`;
    const sha = await commit(repository, { serve, 'starling.yml': recipe(health[name]) });
    if (name === 'good') {
      await starling.api.projects.add.mutate({ name: 'till', repositoryUrl: pathToFileURL(repository).href });
    }
    builds[name] = await built(starling, 'till', sha);
  }
  const first = await starling.cli('deploy', 'till', builds.good, '--wait');
  expect(first.code, first.stderr).toBe(0);
  await everywhere(starling, 'till', builds.good);
});
afterAll(async () => {
  await starling?.discard();
});

const recipe = (health: string) => `
version: 1
build:
  command: mkdir -p out && cp serve out/
  artifact: out
run:
  command: exec ./serve
health:
  command: ${health}
  interval: 100ms
  minHealthyTime: 300ms
  healthyDeadline: 3s
rollout:
  waves:
    - fraction: 25%
      bakeTime: 1s
`;

/** The builds whose bytes a machine has. */
async function packsOf(machine: string): Promise<string[]> {
  return (await readdir(join(starling.data, 'machines', machine, 'packs'))).toSorted();
}
/** The machines that ever started a build. */
async function startedOn(name: keyof typeof builds): Promise<string[]> {
  const marks = await readdir(ran);
  return marks.flatMap((mark) => (mark.startsWith(`${name}-`) ? [mark.slice(name.length + 1)] : [])).toSorted();
}
const reachedBy = async (id: number) =>
  (await starling.api.deployments.machines.query({ id }))
    .filter(({ reached }) => reached)
    .map(({ machine }) => machine);

it('a build that is never healthy is caught by one machine of four in each region', async () => {
  const before = new Map(await Promise.all(starling.machines.map(async (id) => [id, await packsOf(id)] as const)));
  const planned = await starling.cli('deploy', 'till', builds.never, '--dry-run');
  expect(planned.code, planned.stderr).toBe(0);
  expect(planned.stdout).toMatch(
    /in 2 waves, which takes 1 s at least:\n +1\. 25 %, then 1 s of bake time: (\S+ 1 \(\S+\)(, )?){3}\n/,
  );

  const { id } = await starling.api.deployments.deploy.mutate({ project: 'till', build: builds.never });
  const ended = await settled(starling, id);
  expect(ended).toMatchObject({ status: 'FAILED', wave: 1 });
  expect(ended.outcome).toMatch(/^wave 1 of 2: \d of \d machines that answered failed/);
  await everywhere(starling, 'till', builds.good);

  const machines = await starling.api.deployments.machines.query({ id });
  const canaries = machines.filter(({ reached }) => reached);
  expect(canaries.map(({ region }) => region).toSorted()).toEqual(ended.regions.map(({ region }) => region).toSorted());
  for (const { machine, reached, step } of machines) {
    if (reached) continue;
    expect(step, machine).toBeNull();
    expect(await packsOf(machine), machine).toEqual(before.get(machine));
  }
  expect(await startedOn('never')).toEqual(canaries.map(({ machine }) => machine).toSorted());
});

it('a build that the canary is well with is caught in the second wave, and goes no further', async () => {
  const rollout = { waves: [{ fraction: '25%' }, { fraction: '50%' }] };
  const asked = { project: 'till', build: builds.picky, rollout };
  const { waves } = await starling.api.deployments.preview.query(asked);
  const canaries = waves[0]!.regions.flatMap(({ first }) => first);
  expect(canaries).toHaveLength(3);
  for (const machine of canaries) await writeFile(join(well, machine), '');

  const { id } = await starling.api.deployments.deploy.mutate(asked);
  const ended = await settled(starling, id);
  expect(ended).toMatchObject({ status: 'FAILED', wave: 2 });
  await everywhere(starling, 'till', builds.good);
  const reached = await reachedBy(id);
  expect(reached).toHaveLength(6);
  expect(reached).toEqual(expect.arrayContaining(canaries));
  expect(await startedOn('picky')).toEqual(reached.toSorted());
});

it('a rollback in the middle of a wave arrives although control is killed as it is asked for, and is undone', async () => {
  const { id } = await starling.api.deployments.deploy.mutate({
    project: 'till',
    build: builds.newer,
    rollout: { waves: [{ fraction: '50%', bakeTime: '1h' }] },
  });
  await vi.waitFor(
    async () =>
      expect(await starling.api.deployments.get.query({ id })).toMatchObject({ bakeBeganAt: expect.any(String) }),
    { timeout: 60_000, interval: 200 },
  );
  const reached = await reachedBy(id);
  expect(reached).toHaveLength(6);
  const back = await starling.api.deployments.rollback.mutate({ project: 'till', reason: 'it is slow' });
  const control = starling.children.get('control')!;
  await control.crash();
  await control.ready();
  await everywhere(starling, 'till', builds.good);
  expect(await settled(starling, back.id)).toMatchObject({ status: 'SUCCEEDED', buildId: builds.good });
  expect(await starling.api.deployments.get.query({ id })).toMatchObject({ status: 'SUPERSEDED' });
  expect(await startedOn('newer')).toEqual(reached.toSorted());

  const refused = await starling.cli('deploy', 'till', builds.newer);
  expect(refused.stderr).toContain('in quarantine: it is slow');
  // It never succeeded, so it goes in its waves again.
  const undone = await starling.cli('undo-rollback', 'till', '--reason', 'the network was', '--wait');
  expect(undone.code, undone.stderr).toBe(0);
  expect(undone.stdout).toContain('wave');
  await everywhere(starling, 'till', builds.newer);
});
