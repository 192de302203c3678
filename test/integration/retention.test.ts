import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { type BlobStore, manifestKey, packKey } from '@starling/server/blobs/blob-store.ts';
import { openBlobStore } from '@starling/server/blobs/open-store.ts';
import { jobQueue } from '@starling/server/jobs/queue.ts';
import { expireBuilds, expiringBuilds, insistKept } from '@starling/server/retention/expiry.ts';
import { isNight } from '@starling/server/retention/night-sweep.ts';
import { planSweep, sweep } from '@starling/server/retention/sweep.ts';
import type { BuildStores } from '@starling/server/retention/sweep-bytes.ts';
import { sweepBuilds } from '@starling/server/retention/sweep-bytes.ts';
import { sweepPacks } from '@starling/server/retention/sweep-packs.ts';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  buildPacks,
  builds,
  deployments,
  jobLogPieces,
  jobs,
  machineProjects,
  machines,
  packs,
  projects,
  replicas,
  versionKeys,
} from '../../drizzle/schema/index.ts';
import { startTestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild, addJob, addProject, addRegions, finishedBuild, someDigest } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
let folder: string;
let stores: BuildStores;
const everyStore = () => [stores.main, ...stores.regions.values()];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-retention-'));
  const store = (name: string) => openBlobStore(pathToFileURL(join(folder, name)).href);
  stores = {
    main: store('main'),
    regions: new Map([
      ['eu', store('eu')],
      ['us', store('us')],
    ]),
  };
  await addRegions(test.database, ['eu', 'us']);
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  for (const table of [
    versionKeys,
    machineProjects,
    machines,
    deployments,
    replicas,
    buildPacks,
    packs,
    builds,
    jobLogPieces,
    jobs,
    projects,
  ])
    await test.database.delete(table);
  await addProject(test.database, 'shop');
  await keep({ keepBuilds: 2, keepFor: '7d' });
});

const keep = (retention: object) =>
  test.database.update(projects).set({ settings: { retention } }).where(eq(projects.name, 'shop'));

async function putBlob(store: BlobStore, key: string, text: string) {
  const bytes = Buffer.from(text);
  await store.upload(key, { sizeBytes: bytes.length, read: (from, to) => Readable.from([bytes.subarray(from, to)]) });
}

/** A build that is so many days old, with bytes in every store. */
async function buildOfAge(days: number, packDigest = someDigest(), names: string[] = []) {
  const { build } = await addBuild(test.database, 'shop', { packDigest, packBytes: 4, manifestBytes: 8, packs: names });
  const id = build.buildId;
  await test.database.execute(sql`update builds set created_at = now() - ${days} * interval '1 day' where id = ${id}`);
  await test.database.execute(sql`update packs set stored_at = now() - interval '3 days'`);
  await test.database.update(replicas).set({ status: 'REPLICATED' }).where(eq(replicas.buildId, id));
  for (const store of everyStore()) {
    await putBlob(store, packKey(packDigest), 'pack');
    await putBlob(store, manifestKey(build.manifestDigest), 'manifest');
  }
  return { ...build, packDigest, id };
}

async function deployed(
  buildId: string,
  status: 'SUCCEEDED' | 'FAILED' | 'RUNNING' | 'WAITING',
  previousBuildId?: string,
) {
  await test.database.insert(deployments).values({
    project: 'shop',
    buildId,
    previousBuildId: previousBuildId ?? null,
    kind: 'DEPLOY',
    requestedBy: 'ada',
    reason: '',
    salt: 's',
    status,
  });
}

const expiring = async () => (await expiringBuilds(test.database, 'shop')).map(({ id }) => id);
const isThere = async (store: BlobStore, key: string) => (await store.sizeOf(key)) !== undefined;

describe('a policy', () => {
  it('keeps the newest builds and the young ones', async () => {
    const [old, older] = [await buildOfAge(30), await buildOfAge(40)];
    for (const days of [0, 1, 6]) await buildOfAge(days);
    expect(await expiring()).toEqual([older.id, old.id]);
    await keep({ keepBuilds: 4, keepFor: '7d' });
    expect(await expiring()).toEqual([older.id]);
    await keep({ keepBuilds: 2, keepFor: '35d' });
    expect(await expiring()).toEqual([older.id]);
  });

  it('never takes what runs, is wanted, is under way or may be rolled back to', async () => {
    const observed = await buildOfAge(100);
    const stable = await buildOfAge(99);
    const running = await buildOfAge(98);
    const before = await buildOfAge(97);
    const waiting = await buildOfAge(96);
    const good = [];
    for (let n = 0; n < 6; n += 1) good.push(await buildOfAge(90 - n));
    const failed = await buildOfAge(80);
    for (const days of [0, 1]) await buildOfAge(days);

    const machine = { id: 'm', region: 'eu', labels: {}, agentVersion: '1', address: 'a', hub: 'h', connected: false };
    await test.database.insert(machines).values(machine);
    const row = { machine: 'm', project: 'shop', step: 'COMMITTED', detail: '', sequence: 1 } as const;
    await test.database.insert(machineProjects).values({ ...row, observedBuild: observed.id });
    const document = { stable: { build: stable.id }, candidate: null } as never;
    await test.database.insert(versionKeys).values({ project: 'shop', region: 'eu', sequence: 1, document });
    for (const { id } of good) await deployed(id, 'SUCCEEDED');
    await deployed(failed.id, 'FAILED');
    await deployed(waiting.id, 'WAITING');
    await deployed(running.id, 'RUNNING', before.id);

    // The sixth build that ran well, counted from the newest, is one more than on-call is offered.
    expect(await expiring()).toEqual([good[0]!.id, failed.id]);
  });

  it('refuses a build that is past keeping, also before any sweep', async () => {
    const old = await buildOfAge(30);
    for (const days of [0, 1]) await buildOfAge(days);
    const row = async () => (await test.database.select().from(builds).where(eq(builds.id, old.id)))[0]!;
    await expect(insistKept(test.database, await row())).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      field: 'build',
    });
    await expireBuilds(test.database, 'shop');
    // It stays expired when the policy becomes more generous: its bytes may be going already.
    await keep({ keepBuilds: 50 });
    await expect(insistKept(test.database, await row())).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  });
});

describe('a sweep', () => {
  const run = (most = 100) =>
    sweep({ database: test.database, stores, actor: 'ada', most, signal: new AbortController().signal });

  it('does what the plan said: bytes and replicas go everywhere, rows of history stay', async () => {
    const [old, young] = [await buildOfAge(30), await buildOfAge(1)];
    await buildOfAge(0);
    const plan = await planSweep(test.database);
    expect(plan).toMatchObject({ builds: [{ id: old.id, bytes: 12 }], bytesPerStore: 12, unfinished: 0 });
    expect(await isThere(stores.main, packKey(old.packDigest)), 'a plan changes nothing').toBe(true);

    expect(await run()).toMatchObject({
      expired: [old.id],
      swept: [{ id: old.id, freedBytes: 24 }],
      packs: [{ digest: old.packDigest, freedBytes: 12 }],
      left: 0,
    });
    for (const store of everyStore()) {
      expect(await isThere(store, packKey(old.packDigest))).toBe(false);
      expect(await isThere(store, manifestKey(old.manifestDigest))).toBe(false);
      expect(await isThere(store, packKey(young.packDigest))).toBe(true);
    }
    const [row] = await test.database.select().from(builds).where(eq(builds.id, old.id));
    expect(row?.sweptAt).toBeInstanceOf(Date);
    expect(await test.database.select().from(replicas).where(eq(replicas.buildId, old.id))).toEqual([]);
    expect(await run()).toEqual({ expired: [], swept: [], packs: [], rows: [], left: 0 });
    const audited = await test.database.execute(
      sql`select actor, details from audit_log where action = 'retention.sweep'`,
    );
    expect(audited).toMatchObject([{ actor: 'ada', details: { swept: [old.id], freedBytes: 36 } }]);
  });

  it('keeps a pack that a younger build of the same tree has too', async () => {
    const old = await buildOfAge(30);
    await buildOfAge(1, old.packDigest);
    await buildOfAge(0);
    expect(await run()).toMatchObject({ swept: [{ id: old.id, freedBytes: 24 }], packs: [] });
    for (const store of everyStore()) {
      expect(await isThere(store, packKey(old.packDigest))).toBe(true);
      expect(await isThere(store, manifestKey(old.manifestDigest))).toBe(false);
    }
  });

  it('keeps a pack for as long as any build that is kept borrows from it', async () => {
    const old = await buildOfAge(30);
    const young = await buildOfAge(1, someDigest(), [old.packDigest]);
    await buildOfAge(0);
    expect((await planSweep(test.database)).bytesPerStore).toBe(8);
    expect(await run()).toMatchObject({ expired: [old.id], packs: [] });
    await test.database.execute(sql`update builds set created_at = now() - interval '20 days' where id = ${young.id}`);
    await buildOfAge(0);
    expect((await planSweep(test.database)).bytesPerStore).toBe(16);
    expect((await run()).packs.map(({ digest }) => digest).toSorted()).toEqual(
      [old.packDigest, young.packDigest].toSorted(),
    );
    for (const store of everyStore()) expect(await isThere(store, packKey(old.packDigest))).toBe(false);
  });

  it('leaves a pack alone that a worker has noted and not recorded yet, and sweeps it when nobody does', async () => {
    await addJob(test.database, 'shop');
    const queue = jobQueue(test.database);
    const [attempt] = await queue.take('w');
    const pack = { digest: someDigest(), sizeBytes: 4, patchBytes: 0, infoHash: '' };
    await queue.recordPack(attempt!, pack);
    await putBlob(stores.main, packKey(pack.digest), 'pack');
    expect((await run()).packs).toEqual([]);
    await test.database.execute(sql`update packs set stored_at = now() - interval '3 days'`);
    // Who stores it again makes it young again.
    await queue.recordPack(attempt!, pack);
    expect((await run()).packs).toEqual([]);
    await test.database.execute(sql`update packs set stored_at = now() - interval '3 days'`);
    expect((await run()).packs.map(({ digest }) => digest)).toEqual([pack.digest]);
    expect(await isThere(stores.main, packKey(pack.digest))).toBe(false);
  });

  it('never deletes a pack that a build names which is recorded at the same moment', async () => {
    const old = await buildOfAge(30);
    for (const days of [0, 1]) await buildOfAge(days);
    await expireBuilds(test.database, 'shop');
    const queue = jobQueue(test.database);
    const signal = new AbortController().signal;
    for (let round = 0; round < 10; round += 1) {
      await addJob(test.database, 'shop');
      const [attempt] = await queue.take('w');
      const names = { packDigest: null, packBytes: 0, packs: [old.packDigest] };
      const build = finishedBuild(await queue.reserveBuildId(attempt!), names);
      const [recorded, swept] = await Promise.allSettled([
        queue.complete(attempt!, build),
        sweepPacks(test.database, stores, { most: 10, signal }),
      ]);
      const isThereStill = await isThere(stores.main, packKey(old.packDigest));
      if (recorded.status === 'fulfilled') expect(isThereStill, 'a recorded build has its bytes').toBe(true);
      else expect(recorded.reason).toMatchObject({ code: 'UNAVAILABLE' });
      if (swept.status === 'fulfilled' && swept.value.length > 0) expect(recorded.status).toBe('rejected');
      if (recorded.status === 'rejected') {
        await expect(queue.complete(attempt!, build), 'gone is gone').rejects.toMatchObject({ code: 'UNAVAILABLE' });
        return;
      }
    }
  });

  it('takes no pack on that is being deleted, and a new one once it is gone', async () => {
    const old = await buildOfAge(30);
    for (const days of [0, 1]) await buildOfAge(days);
    await expireBuilds(test.database, 'shop');
    await addJob(test.database, 'shop');
    const queue = jobQueue(test.database);
    const [attempt] = await queue.take('w');
    const pack = { digest: old.packDigest, sizeBytes: 4, patchBytes: 0, infoHash: '' };
    await test.database.execute(sql`update packs set deleting_at = now() where digest = ${pack.digest}`);
    await expect(queue.recordPack(attempt!, pack)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await run();
    await queue.recordPack(attempt!, pack);
    const build = finishedBuild(await queue.reserveBuildId(attempt!), {
      packDigest: pack.digest,
      packs: [pack.digest],
    });
    expect(await queue.complete(attempt!, build)).toMatchObject({ recorded: true });
  });

  it('goes on after being cut off at any point', async () => {
    for (let cut = 0; cut < 6; cut += 1) {
      const old = await buildOfAge(30);
      for (const days of [0, 1]) await buildOfAge(days);
      await expireBuilds(test.database, 'shop');
      let left = cut;
      const dying = (store: BlobStore): BlobStore =>
        new Proxy(store, {
          get: (target, name) =>
            name === 'delete'
              ? async (key: string) => {
                  if (left === 0) throw new Error('killed here');
                  left -= 1;
                  await target.delete(key);
                }
              : Reflect.get(target, name),
        });
      const cutStores = {
        main: dying(stores.main),
        regions: new Map([...stores.regions].map(([name, store]) => [name, dying(store)])),
      };
      const signal = new AbortController().signal;
      const cutSweep = async () => {
        await sweepBuilds(test.database, cutStores, { most: 1, signal });
        await sweepPacks(test.database, cutStores, { most: 1, signal });
      };
      await expect(cutSweep()).rejects.toThrow('killed here');
      await run();
      expect((await planSweep(test.database)).unfinished).toBe(0);
      for (const store of everyStore()) expect(await isThere(store, packKey(old.packDigest)), `cut ${cut}`).toBe(false);
    }
  });

  it('does a bounded piece at a time', async () => {
    for (let n = 0; n < 5; n += 1) await buildOfAge(30 + n);
    for (const days of [0, 1]) await buildOfAge(days);
    expect(await run(2)).toMatchObject({ swept: { length: 2 }, left: 3 });
    expect(await run(2)).toMatchObject({ swept: { length: 2 }, left: 1 });
    expect(await run(2)).toMatchObject({ swept: { length: 1 }, left: 0 });
  });

  it('removes logs past their time and leaves the job', async () => {
    const { id } = await buildOfAge(0);
    const [job] = await test.database.select().from(jobs).where(eq(jobs.buildId, id));
    const piece = { jobId: job!.id, attempt: 1, text: 'make all' };
    await test.database.insert(jobLogPieces).values([0, 1, 2].map((sequence) => ({ ...piece, sequence })));
    expect((await run()).rows).toEqual([]);
    await test.database.execute(sql`update jobs set finished_at = now() - interval '91 days'`);
    expect((await planSweep(test.database)).rows).toEqual([{ name: 'logs of shop', rows: 3 }]);
    expect((await run()).rows).toEqual([{ name: 'logs of shop', rows: 3 }]);
    expect(await test.database.select().from(jobLogPieces)).toEqual([]);
    expect(await test.database.select().from(jobs)).toHaveLength(1);
  });

  it('cannot take what is being deployed at the same moment', async () => {
    const old = await buildOfAge(30);
    for (const days of [0, 1]) await buildOfAge(days);
    const locked = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const deploying = test.database.transaction(async (tx) => {
      await tx.execute(sql`select 1 from projects where name = 'shop' for update`);
      locked.resolve();
      await held.promise;
      await tx.insert(deployments).values({
        project: 'shop',
        buildId: old.id,
        kind: 'ROLLBACK',
        requestedBy: 'ada',
        reason: '',
        salt: 's',
        status: 'RUNNING',
      });
    });
    await locked.promise;
    const expired = expireBuilds(test.database, 'shop');
    held.resolve();
    await deploying;
    expect(await expired).toEqual([]);
  });

  it('is for administrators, and sweeps through the API', async () => {
    const old = await buildOfAge(30);
    for (const days of [0, 1]) await buildOfAge(days);
    await grantToken(test.database, 'ada', 'admin', 'admin-token');
    await grantToken(test.database, 'dora', 'deployer', 'deployer-token');
    const api = await startTestApi(test.database, { stores });
    try {
      await expect(api.as('deployer-token').retention.sweep.mutate()).rejects.toThrow('administer');
      expect((await api.as('admin-token').retention.plan.query()).builds).toMatchObject([{ id: old.id }]);
      expect(await api.as('admin-token').retention.sweep.mutate()).toMatchObject({ expired: [old.id], left: 0 });
      // As the CLI asks for it: with nothing to say, its body is empty.
      const headers = { authorization: 'Bearer admin-token', 'content-type': 'application/json' };
      const { status } = await fetch(`${api.url}/trpc/retention.sweep`, { method: 'POST', headers });
      expect(status).toBe(200);
    } finally {
      await api.stop();
    }
  });
});

describe('the night', () => {
  it.each([
    [3, '03:00', true],
    [3, '08:59', true],
    [3, '09:00', false],
    [3, '02:59', false],
    [22, '23:30', true],
    [22, '03:59', true],
    [22, '04:00', false],
    [22, '21:59', false],
  ])('that begins at %i is at %s: %s', (hour, time, expected) => {
    expect(isNight(Date.parse(`2026-03-05T${time}:00Z`), hour)).toBe(expected);
  });
});
