import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TestClock } from '@starling/shared/clock.ts';
import { expect, it, onTestFinished } from 'vitest';
import { openSwarm } from './open-swarm.ts';
import type { SwarmOptions } from './swarm.ts';
import { stockClient } from './test-stock-client.ts';
import { advanceUntil, loopbackSwarm, randomPack, sha256Of, temporaryFolder } from './test-swarms.ts';
import { TokenBucket } from './token-bucket.ts';

// Limits hold for stock clients as they do for lanes, and for the sum of both.

const KiB = 1024;
const sizeBytes = 2 * 1024 * KiB;

async function scene(rate = 256 * KiB) {
  const folder = await temporaryFolder();
  const { pack } = await randomPack(join(folder, 'seed'), sizeBytes);
  const clock = new TestClock();
  const startedAt = clock.now();
  const bucket = new TokenBucket(() => rate, clock);
  /** Bytes that the time gone by has allowed. */
  const earned = () => ((clock.now() - startedAt) / 1_000) * rate;
  const limited = async (limits: Pick<SwarmOptions, 'sending' | 'receiving'>) => {
    const swarm = await openSwarm({ host: '127.0.0.1', port: 0, maxConnections: 50, ...limits });
    onTestFinished(() => swarm.close());
    return swarm;
  };
  return { folder, pack, rate, clock, bucket, earned, limited };
}

it('what a stock client is sent passes through the limit', async () => {
  const { folder, pack, clock, bucket, earned, limited } = await scene();
  const seeder = await limited({ sending: bucket });
  await seeder.join(pack, join(folder, 'seed'));
  await writeFile(join(folder, 'stock'), '');
  const stock = await stockClient(pack, join(folder, 'stock'));
  stock.call(seeder.address);
  await advanceUntil(clock, stock.isDone);
  expect(await sha256Of(join(folder, 'stock'))).toBe(pack.sha256);
  expect(earned()).toBeGreaterThan(sizeBytes - 64 * KiB);
});

it('what comes from a stock client passes through the limit', async () => {
  const { folder, pack, rate, clock, bucket, earned, limited } = await scene();
  const stock = await stockClient(pack, join(folder, 'seed'));
  const member = await (await limited({ receiving: bucket })).join(pack, join(folder, 'member'));
  member.setPeers([stock.address]);
  // Meeting takes its time, in which no more than a second's worth is saved.
  await advanceUntil(clock, () => member.progress().bytesDone > 0);
  const [before, missing] = [earned(), sizeBytes - member.progress().bytesDone];
  await advanceUntil(clock, () => member.progress().bytesDone === sizeBytes);
  expect(await sha256Of(join(folder, 'member'))).toBe(pack.sha256);
  expect(earned() - before).toBeGreaterThan(missing - rate - pack.torrent.pieceLength - 64 * KiB);
});

it('a lane, a stock client and whoever else sends share one limit', async () => {
  const { folder, pack, clock, bucket, earned, limited } = await scene(1024 * KiB);
  const seeder = await limited({ sending: bucket });
  await seeder.join(pack, join(folder, 'seed'));
  const stock = await stockClient(pack, join(folder, 'stock'));
  const member = await (await loopbackSwarm()).join(pack, join(folder, 'member'));
  let besideBytes = 0;
  const beside = bucket.line();
  const stopping = new AbortController();
  const sendBeside = async () => {
    while (await beside.pass(32 * KiB, stopping.signal)) besideBytes += 32 * KiB;
  };
  const sending = sendBeside();
  stock.call(seeder.address);
  member.setPeers([seeder.address]);
  await advanceUntil(clock, () => stock.isDone() && member.progress().bytesDone === sizeBytes);
  stopping.abort();
  await sending;
  expect(besideBytes).toBeGreaterThan(0);
  expect(earned()).toBeGreaterThan(2 * sizeBytes + besideBytes - pack.torrent.pieceLength - 64 * KiB);
});

it('a swarm can be closed while something waits for its turn', async () => {
  const { folder, pack, rate, bucket, limited } = await scene();
  const seeder = await limited({ sending: bucket });
  bucket.take(1_000 * rate);
  const seed = await seeder.join(pack, join(folder, 'seed'));
  await writeFile(join(folder, 'stock'), '');
  const stock = await stockClient(pack, join(folder, 'stock'));
  const member = await (await loopbackSwarm()).join(pack, join(folder, 'member'));
  stock.call(seeder.address);
  member.setPeers([seeder.address]);
  await expect.poll(() => seed.progress().peers).toBeGreaterThan(0);
  await seeder.close();
  expect(seed.progress().bytesSent).toBe(0);
  expect(bucket.line().isOpen()).toBe(false);
});
