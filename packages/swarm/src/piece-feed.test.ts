import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loopbackSwarm, packOf, randomPack, sha256Of, temporaryFolder, until } from './test-swarms.ts';

const MiB = 1024 * 1024;
const never = new AbortController().signal;

async function* inParts(bytes: Uint8Array, partBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += partBytes) yield bytes.subarray(start, start + partBytes);
}

async function supplied(sizeBytes: number) {
  const folder = await temporaryFolder();
  const { pack, bytes } = await randomPack(join(folder, 'original'), sizeBytes);
  const swarm = await loopbackSwarm();
  const path = join(folder, 'supplied');
  return { folder, pack, bytes, swarm, path, membership: await swarm.join(pack, path) };
}

it('what is supplied is offered to others before the rest is there, and sent about once', async () => {
  const { folder, pack, bytes, swarm, path, membership } = await supplied(8 * MiB);
  const half = Promise.withResolvers<void>();
  async function* withPause() {
    yield* inParts(bytes.subarray(0, 4 * MiB), 100_000);
    await half.promise;
    yield* inParts(bytes.subarray(4 * MiB), 100_000);
  }
  const supplying = membership.supply(0, withPause(), never);
  const others = await Promise.all(
    ['one', 'two', 'three'].map(async (name) => (await loopbackSwarm()).join(pack, join(folder, name))),
  );
  for (const other of others) other.setPeers([swarm.address]);
  await until(() => others.every((other) => other.progress().bytesHere >= 4 * MiB - pack.torrent.pieceLength));
  expect(membership.has([0, MiB])).toBe(true);
  expect(membership.has([0, 5 * MiB])).toBe(false);
  expect(membership.missing().at(-1)?.[1]).toBe(8 * MiB);
  half.resolve();
  await supplying;
  await Promise.all(others.map((other) => other.whenComplete(never)));
  expect(membership.missing()).toEqual([]);
  expect(await sha256Of(path)).toBe(pack.sha256);
  // Nobody else was named to them.
  expect(membership.progress().bytesSent).toBeLessThanOrEqual(3 * 8 * MiB);
});

it('goes on where bytes were missing, however they are cut and wherever they end', async () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 31) % 251));
  const pack = packOf(bytes);
  const folder = await temporaryFolder();
  const swarm = await loopbackSwarm();
  let run = 0;
  const cuts = fc.array(fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 1, max: 40_000 })), {
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(cuts, async (ends) => {
      const path = join(folder, `run-${run++}`);
      const membership = await swarm.join(pack, path);
      for (const [length, partBytes] of [...ends, [100_000, 7_000] as const]) {
        const [start] = membership.missing()[0] ?? [];
        if (start === undefined) break;
        await membership.supply(start, inParts(bytes.subarray(start, start + length), partBytes), never);
        const whole = Math.floor(Math.min(length, bytes.length - start) / pack.torrent.pieceLength);
        if (start + length < bytes.length)
          expect(membership.missing()[0]?.[0]).toBe(start + whole * pack.torrent.pieceLength);
      }
      expect(membership.missing()).toEqual([]);
      await membership.leave();
      expect((await readFile(path)).equals(bytes)).toBe(true);
    }),
    { numRuns: 15 },
  );
});

it('refuses bytes that are not the pack’s, keeps those before, and takes the right ones later', async () => {
  const { pack, bytes, path, membership } = await supplied(MiB);
  const { pieceLength } = pack.torrent;
  const wrong = Buffer.from(bytes);
  wrong[5 * pieceLength + 7]! ^= 1;
  await expect(membership.supply(0, inParts(wrong, 10_000), never)).rejects.toThrow(
    `the bytes ${5 * pieceLength} to ${6 * pieceLength} are not those of the pack`,
  );
  expect(membership.missing()[0]?.[0]).toBe(5 * pieceLength);
  await expect(membership.supply(1, inParts(bytes.subarray(1), 10_000), never)).rejects.toThrow('no piece begins at 1');
  for (const [start, end] of membership.missing())
    await membership.supply(start, inParts(bytes.subarray(start, end), 10_000), never);
  expect(await sha256Of(path)).toBe(pack.sha256);
});

it('ends when it is aborted, and with what the bytes throw', async () => {
  const { bytes, membership } = await supplied(MiB);
  const stopping = new AbortController();
  async function* cut() {
    yield bytes.subarray(0, MiB / 2);
    throw new Error('the connection was cut');
  }
  await expect(membership.supply(0, cut(), never)).rejects.toThrow('the connection was cut');
  stopping.abort(new Error('enough'));
  const [start = 0] = membership.missing()[0] ?? [];
  await expect(membership.supply(start, inParts(bytes.subarray(start), 10_000), stopping.signal)).rejects.toThrow(
    'enough',
  );
  expect(membership.missing()[0]).toEqual([MiB / 2, MiB]);
});
