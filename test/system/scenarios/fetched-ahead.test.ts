import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { connectApi } from '@starling/local/api-client.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { connect, disconnect } from '@starling/server/db/connect.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { everywhere, type StarlingUnderTest, settled, startUnderTest } from '../starling-under-test.ts';
import { newBuild } from './shop.ts';

// A deployment waits for somebody's approval, and machines fetch its build meanwhile: all of it is here when it is decided.

const patience = { timeout: 60_000, interval: 200 };
let starling: StarlingUnderTest;
let approver: StarlingUnderTest['api'];
let good: string;

beforeAll(async () => {
  starling = await startUnderTest({ machinesPerRegion: 3, regions: ['eu-west'] });
  const database = connect(starling.databaseUrl, { applicationName: 'test', maxConnections: 1 });
  await grantToken(database, 'eve', 'approver', 'eve-of-the-test');
  await disconnect(database);
  approver = connectApi(starling.url, 'eve-of-the-test');
  good = await largeBuild();
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build: good });
  expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
  await starling.api.projects.configure.mutate({ project: 'shop', settings: { approvals: { needed: 1 } } });
});
afterAll(() => starling?.discard());

/** Large enough that it comes from the swarm, and new to the last byte. */
const largeBuild = () => newBuild(starling, { build: 'head -c 8000000 /dev/urandom > out/large' });

const folderOf = (machine: string) => join(starling.data, 'machines', machine);
/** The packs of a machine, each with what changes when a byte of it is written. */
async function packsOf(machine: string): Promise<Map<string, string>> {
  const folder = join(folderOf(machine), 'packs');
  const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const stats = await Promise.all(names.map((name) => stat(join(folder, name))));
  return new Map(
    names.map((name, index) => [name, `${stats[index]!.ino} ${stats[index]!.size} ${stats[index]!.mtimeMs}`]),
  );
}
const slotsOf = async (machine: string) =>
  (await readdir(join(folderOf(machine), 'projects/shop/slots'))).filter((name) => !name.includes('.')).toSorted();
const everyMachine = <T>(work: (machine: string) => Promise<T>) => Promise.all(starling.machines.map(work));
/** What the log of an agent says of a build. */
const says = async (machine: string, text: string) => {
  const log = await readFile(join(starling.data, 'logs', `agent-${machine}.log`), 'utf8');
  return log.split('\n').filter((line) => line.includes(text));
};
const isFetchedAhead = (build: string) =>
  vi.waitFor(
    () =>
      everyMachine(async (machine) =>
        expect(
          (await says(machine, 'fetched ahead')).some((line) => line.includes(build)),
          machine,
        ).toBe(true),
      ),
    patience,
  );

it('approved: machines go over with the bytes that they have; nothing was swapped before', async () => {
  const before = await everyMachine(slotsOf);
  const packsBefore = await everyMachine(packsOf);
  const next = await largeBuild();
  const { id, status } = await starling.api.deployments.deploy.mutate({ project: 'shop', build: next });
  expect(status).toBe('WAITING');
  await isFetchedAhead(next);
  await everywhere(starling, 'shop', good);
  expect(await everyMachine(slotsOf)).toEqual(before);
  const ahead = await everyMachine(packsOf);
  for (const [index, packs] of ahead.entries()) expect(packs.size).toBe(packsBefore[index]!.size + 1);

  await approver.approvals.approve.mutate({ id });
  await vi.waitFor(
    async () => expect((await starling.api.deployments.get.query({ id })).status).not.toBe('WAITING'),
    patience,
  );
  expect(await settled(starling, id)).toMatchObject({ status: 'SUCCEEDED' });
  await everywhere(starling, 'shop', next);
  for (const [index, machine] of starling.machines.entries()) {
    const packs = await packsOf(machine);
    const [fetched] = [...ahead[index]!.keys()].filter((name) => !packsBefore[index]!.has(name));
    // Not a byte of it was written since, and nothing came beside it.
    expect(packs.get(fetched!), machine).toBe(ahead[index]!.get(fetched!));
    expect(
      [...packs.keys()].filter((name) => !ahead[index]!.has(name)),
      machine,
    ).toEqual([]);
  }
  good = next;
});

it('rejected: what was fetched for it goes, and the build that runs keeps its own', async () => {
  const before = await everyMachine(packsOf);
  const unwanted = await largeBuild();
  const { id } = await starling.api.deployments.deploy.mutate({ project: 'shop', build: unwanted });
  await isFetchedAhead(unwanted);
  for (const [index, packs] of (await everyMachine(packsOf)).entries())
    expect(packs.size).toBe(before[index]!.size + 1);
  await approver.approvals.reject.mutate({ id, comment: 'not today' });
  await vi.waitFor(async () => expect(await everyMachine(packsOf)).toEqual(before), patience);
  expect(await starling.api.deployments.get.query({ id })).toMatchObject({ status: 'ABORTED' });
  await everywhere(starling, 'shop', good);
});
