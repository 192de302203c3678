import { join } from 'node:path';
import { expect, it } from 'vitest';
import { addressOf } from './lane-sources.ts';
import { loopbackSwarm, randomPack, temporaryFolder, until } from './test-swarms.ts';

it('tells how much came from whom, and how many there are to ask', async () => {
  const folder = await temporaryFolder();
  const { pack } = await randomPack(join(folder, 'seed'), 6_000_000);
  const [seeder, fetcher] = [await loopbackSwarm(), await loopbackSwarm()];
  await seeder.join(pack, join(folder, 'seed'));
  const membership = await fetcher.join(pack, join(folder, 'copy'));
  expect(membership.intakes()).toMatchObject({ lanes: 0, useful: 0, asked: 0, wrongPieces: 0, checkingMs: 0 });
  membership.setPeers([seeder.address]);
  await until(() => membership.intakes().lanes === 1 || membership.progress().bytesDone > 0);
  await membership.whenComplete(new AbortController().signal);
  const { bytesFrom, useful, wrongPieces, checkingMs } = membership.intakes();
  expect([...bytesFrom]).toEqual([[addressOf(seeder.address), pack.sizeBytes]]);
  expect([useful, wrongPieces]).toEqual([0, 0]);
  expect(checkingMs).toBeGreaterThan(0);
});
