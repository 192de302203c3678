import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '@starling/shared/seeded-random.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seedsFromEnvironment } from './update-kills/config.ts';
import { contentsOf, KillFleet, makeVersions, type SampleVersion } from './update-kills/fleet.ts';

// Agents and their hub are killed, as `kill -9` does, at random moments of an update that is made of slots, patches, the swarm
// and the hub's own bytes; and every machine ends on exactly the bytes of the build. A few seeds here; 200 with
// STARLING_KILL_SEEDS=200, which takes a quarter of an hour. The same machines go from seed to seed: each brings them the version
// whose slot they no longer have.

const machines = ['m1', 'm2'];
const everyone = ['hub', ...machines];
const treeBytes = 12 * 1024 * 1024;
const smallFetches = [0, 128 * 1024, 2 * 1024 * 1024];
let folder: string;
let versions: (SampleVersion & { contents: Record<string, string> })[];
let fleet: KillFleet | undefined;
/** Which version the machines run. */
let current = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-kills-'));
  const made = await makeVersions(folder, 3, treeBytes);
  versions = await Promise.all(made.map(async (version) => ({ ...version, contents: await contentsOf(version.tree) })));
});
afterAll(async () => {
  await fleet?.discard();
  await rm(folder, { recursive: true, force: true });
});

/** Machines that run the first version. */
async function freshFleet(): Promise<KillFleet> {
  const made = await KillFleet.make(join(folder, 'blobs'), machines);
  current = 0;
  await made.tell(versions[current]!.target);
  for (const who of everyone) await made.start(who);
  await made.untilCommitted(versions[current]!.target);
  return made;
}

it.each(seedsFromEnvironment())('seed %i: every machine ends on the right bytes', async (seed) => {
  const random = seededRandom(seed);
  const oneOf = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!;
  fleet ??= await freshFleet();
  // A seed that fails leaves its machines to nobody.
  const [mine, wanted] = [fleet, versions[(current + 1) % versions.length]!];
  fleet = undefined;
  try {
    // Patches in the swarm, or straight from the hub.
    mine.smallFetchBytes = oneOf(smallFetches);
    await mine.tell(wanted.target);
    for (let kills = 2 + Math.floor(random() * 3); kills > 0; kills -= 1) {
      const who = oneOf(everyone);
      await new Promise((resolve) => setTimeout(resolve, random() * 900));
      await mine.kill(who);
      await mine.start(who);
    }
    await mine.untilCommitted(wanted.target);
    for (const machine of machines)
      expect(await contentsOf(join(mine.dataOf(machine), 'projects/hello/current/.'))).toEqual(wanted.contents);
    fleet = mine;
    current = (current + 1) % versions.length;
  } finally {
    if (!fleet) await mine.discard();
  }
});
