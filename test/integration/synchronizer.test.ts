import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type BlobStore, manifestKey, packKey } from '@starling/server/blobs/blob-store.ts';
import { openFolderStore } from '@starling/server/blobs/folder-store.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { replicaRows } from '@starling/server/synchronizer/replica-rows.ts';
import { startSynchronizer } from '@starling/server/synchronizer/synchronizer.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { replicas } from '../../drizzle/schema/index.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addRegions } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
let folder: string;
let main: BlobStore;
let stores: Map<string, BlobStore>;
let running: { stop(): Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-sync-'));
  main = openFolderStore(join(folder, 'main'));
  stores = new Map(['eu', 'us'].map((region) => [region, openFolderStore(join(folder, region))]));
  await addRegions(test.database, ['eu', 'us']);
});
afterEach(async () => {
  await Promise.all(running.map((loop) => loop.stop()));
  running = [];
  await rm(folder, { recursive: true, force: true });
});

const put = async (bytes: Buffer, keyOf: (sha256: string) => string) => {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await main.upload(keyOf(sha256), {
    sizeBytes: bytes.length,
    read: (start, end) => Readable.from([bytes.subarray(start, end)]),
  });
  return sha256;
};

async function addStoredBuild(project: string) {
  const [packBytes, manifestBytes] = [randomBytes(300_000), randomBytes(2_000)];
  const { build } = await addBuild(test.database, project, {
    packDigest: await put(packBytes, packKey),
    packBytes: packBytes.length,
    manifestDigest: await put(manifestBytes, manifestKey),
    manifestBytes: manifestBytes.length,
  });
  return { build, packBytes, manifestBytes };
}

function start(regions = stores) {
  const loop = startSynchronizer({
    rows: replicaRows(test.database),
    main,
    regions,
    everyMs: 50,
    clock: systemClock,
    log,
  });
  running.push(loop);
  return loop;
}
const rowsOf = async (buildId: string) =>
  (await test.database.select().from(replicas).where(eq(replicas.buildId, buildId))).toSorted((a, b) =>
    a.region < b.region ? -1 : 1,
  );

it('brings a completed build to every region and records bytes and times', async () => {
  const { build, packBytes } = await addStoredBuild('one');
  start();
  await vi.waitFor(
    async () => expect((await rowsOf(build.buildId)).map((row) => row.status)).toEqual(['REPLICATED', 'REPLICATED']),
    20_000,
  );
  for (const row of await rowsOf(build.buildId)) {
    expect(row.bytesDone).toBe(row.bytesTotal);
    expect(row.finishedAt!.getTime()).toBeGreaterThanOrEqual(row.startedAt!.getTime());
  }
  const copy = await readFile(join(folder, 'eu', packKey(build.packDigest!)));
  expect(copy.equals(packBytes)).toBe(true);
});

it('does not believe a copy whose bytes differ: it is deleted and copied again', async () => {
  const { build, packBytes } = await addStoredBuild('two');
  const rotten = Buffer.from(packBytes);
  rotten[1_000]! ^= 1;
  const eu = stores.get('eu')!;
  await eu.upload(packKey(build.packDigest!), {
    sizeBytes: rotten.length,
    read: (start, end) => Readable.from([rotten.subarray(start, end)]),
  });
  start();
  await vi.waitFor(async () => {
    const [row] = await rowsOf(build.buildId);
    expect(row).toMatchObject({ region: 'eu', status: 'FAILED' });
    expect(row!.failureReason).toMatch(/came out as [0-9a-f]{64}; it was deleted/);
  }, 20_000);
  await test.database.update(replicas).set({ nextAttemptAt: new Date(0) });
  await vi.waitFor(async () => expect((await rowsOf(build.buildId))[0]!.status).toBe('REPLICATED'), 20_000);
  const copy = await readFile(join(folder, 'eu', packKey(build.packDigest!)));
  expect(copy.equals(packBytes)).toBe(true);
});

it('serves the other regions while one is down, says why, and catches up when it is back', async () => {
  const { build } = await addStoredBuild('three');
  await writeFile(join(folder, 'us'), 'a file where the folder of the region should be');
  start();
  await vi.waitFor(
    async () => expect((await rowsOf(build.buildId)).map((row) => row.status)).toEqual(['REPLICATED', 'FAILED']),
    20_000,
  );
  expect((await rowsOf(build.buildId))[1]!.failureReason).not.toBe('');
  await rm(join(folder, 'us'));
  await test.database.update(replicas).set({ nextAttemptAt: new Date(0) });
  await vi.waitFor(async () => expect((await rowsOf(build.buildId))[1]!.status).toBe('REPLICATED'), 20_000);
});

it('says which region has no store in the configuration', async () => {
  const { build } = await addStoredBuild('four');
  start(new Map([['eu', stores.get('eu')!]]));
  await vi.waitFor(
    async () =>
      expect((await rowsOf(build.buildId))[1]).toMatchObject({
        status: 'FAILED',
        failureReason: 'no blob store is configured for region us',
      }),
    20_000,
  );
});

it('goes on with a copy that an earlier leader left COPYING', async () => {
  const { build } = await addStoredBuild('five');
  await test.database
    .update(replicas)
    .set({ status: 'COPYING', bytesDone: 10 })
    .where(eq(replicas.buildId, build.buildId));
  start();
  await vi.waitFor(
    async () => expect((await rowsOf(build.buildId)).map((row) => row.status)).toEqual(['REPLICATED', 'REPLICATED']),
    20_000,
  );
  const own = (await readdir(join(folder, 'eu/packs'))).filter((name) => name.startsWith(build.packDigest!));
  expect(own).toEqual([build.packDigest]);
});

it('copies only the packs that a region lacks, and counts only them', async () => {
  const { build: one } = await addStoredBuild('six');
  const loop = start();
  const replicated = async (id: string) =>
    vi.waitFor(
      async () => expect((await rowsOf(id)).map((row) => row.status)).toEqual(['REPLICATED', 'REPLICATED']),
      20_000,
    );
  await replicated(one.buildId);
  const bytes = randomBytes(10_000);
  const manifestBytes = randomBytes(2_000);
  const { build: two } = await addBuild(test.database, 'six', {
    packDigest: await put(bytes, packKey),
    packBytes: bytes.length,
    manifestDigest: await put(manifestBytes, manifestKey),
    manifestBytes: manifestBytes.length,
    packs: [one.packDigest!],
  });
  // What was checked in one region before is not checked again; where it has gone, it is copied again.
  await stores.get('us')!.delete(packKey(one.packDigest!));
  loop.nudge();
  await replicated(two.buildId);
  expect((await rowsOf(two.buildId)).map((row) => [row.region, row.bytesTotal])).toEqual([
    ['eu', 12_000],
    ['us', 312_000],
  ]);
  expect(await stores.get('us')!.sizeOf(packKey(one.packDigest!))).toBe(300_000);
});
