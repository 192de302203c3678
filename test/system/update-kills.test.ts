import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seedsFromEnvironment } from './update-kills/config.ts';
import { contentsOf, KillFleet, makeVersions, randomOf, type SampleVersion } from './update-kills/fleet.ts';

// Agents and their hub are killed, as `kill -9` does, at random moments of an update that is made of slots, patches, the swarm
// and the hub's own bytes; and every machine ends on exactly the bytes of the build. A few seeds here; 200 with
// STARLING_KILL_SEEDS=200.

const machines = ['m1', 'm2'];
const treeBytes = 12 * 1024 * 1024;
let folder: string;
let versions: SampleVersion[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-kills-'));
  versions = await makeVersions(folder, 3, treeBytes);
  // All seeds begin with machines that run the first version.
  const first = await KillFleet.make(join(folder, 'blobs'), machines, { smallFetchBytes: 0 });
  try {
    await first.tell(1, versions[0]!.target);
    for (const who of ['hub', ...machines]) await first.start(who);
    await first.untilCommitted(versions[0]!.target);
    for (const machine of machines) await first.kill(machine);
    await cp(join(first.folder, 'machines'), join(folder, 'machines'), { recursive: true, verbatimSymlinks: true });
  } finally {
    await first.discard();
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each(seedsFromEnvironment())('seed %i: every machine ends on the right bytes', async (seed) => {
  const random = randomOf(seed);
  const wanted = versions[random() < 0.5 ? 1 : 2]!;
  // Patches in the swarm, or straight from the hub.
  const smallFetchBytes = random() < 0.5 ? 0 : 2 * 1024 * 1024;
  const fleet = await KillFleet.make(join(folder, 'blobs'), machines, {
    smallFetchBytes,
    machinesFrom: join(folder, 'machines'),
  });
  try {
    const everyone = ['hub', ...machines];
    for (const who of everyone) await fleet.start(who);
    await fleet.tell(2, wanted.target);
    const kills = Array.from({ length: 2 + Math.floor(random() * 3) }, () => ({
      who: everyone[Math.floor(random() * everyone.length)]!,
      pauseMs: random() * 900,
    }));
    for (const { who, pauseMs } of kills) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await fleet.kill(who);
      await fleet.start(who);
    }
    await fleet.untilCommitted(wanted.target);
    const right = await contentsOf(wanted.tree);
    for (const machine of machines)
      expect(await contentsOf(join(fleet.dataOf(machine), 'projects/hello/current/.'))).toEqual(right);
  } finally {
    await fleet.discard();
  }
});
