import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { built, commit, everywhere, type StarlingUnderTest, settled, startUnderTest } from './starling-under-test.ts';

// A release in waves on real agents: what the canary says decides, and whoever is not in the wave never hears of it.

let starling: StarlingUnderTest;
beforeAll(async () => {
  starling = await startUnderTest();
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

it('a build that is never healthy is caught by one machine of four in each region', async () => {
  const repository = join(starling.data, 'till');
  const ran = join(starling.data, 'ran');
  await mkdir(ran);
  await chmod(ran, 0o777);
  const serve = (word: string) => `#!/bin/sh\n: > ${ran}/${word}-$STARLING_MACHINE\nexec sleep 3600\n`;
  const well = await commit(repository, { serve: serve('well'), 'starling.yml': recipe('test -x serve') });
  const sick = await commit(repository, { serve: serve('sick'), 'starling.yml': recipe('"false"') });
  await starling.api.projects.add.mutate({ name: 'till', repositoryUrl: pathToFileURL(repository).href });
  const good = await built(starling, 'till', well);
  const bad = await built(starling, 'till', sick);

  const first = await starling.cli('deploy', 'till', good, '--wait');
  expect(first.code, first.stderr).toBe(0);
  await everywhere(starling, 'till', good);
  const before = new Map(await Promise.all(starling.machines.map(async (id) => [id, await packsOf(id)] as const)));

  const planned = await starling.cli('deploy', 'till', bad, '--dry-run');
  expect(planned.code, planned.stderr).toBe(0);
  expect(planned.stdout).toMatch(
    /in 2 waves, which takes 1 s at least:\n +1\. 25 %, then 1 s of bake time: (\S+ 1 \(\S+\)(, )?){3}\n/,
  );

  const { id } = await starling.api.deployments.deploy.mutate({ project: 'till', build: bad });
  const ended = await settled(starling, id);
  expect(ended).toMatchObject({ status: 'FAILED', wave: 1 });
  expect(ended.outcome).toMatch(/^wave 1 of 2: \d of \d machines that answered failed/);
  await everywhere(starling, 'till', good);

  const machines = await starling.api.deployments.machines.query({ id });
  const canaries = machines.filter(({ reached }) => reached);
  expect(canaries.map(({ region }) => region).toSorted()).toEqual(ended.regions.map(({ region }) => region).toSorted());
  for (const { machine, reached, step } of machines) {
    if (reached) continue;
    expect(step, machine).toBeNull();
    expect(await packsOf(machine), machine).toEqual(before.get(machine));
  }
  const names = (await readdir(ran)).filter((name) => name.startsWith('sick-'));
  expect(names.toSorted()).toEqual(canaries.map(({ machine }) => `sick-${machine}`).toSorted());
});
