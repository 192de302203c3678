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
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  builds,
  deployments,
  jobLogPieces,
  jobs,
  machineProjects,
  machines,
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
async function buildOfAge(days: number, packDigest = someDigest()) {
  const { build } = await addBuild(test.database, 'shop', { packDigest, packBytes: 4, manifestBytes: 8 });
  const id = build.buildId;
  await test.database.execute(sql`update builds set created_at = now() - ${days} * interval '1 day' where id = ${id}`);
  await test.database.update(replicas).set({ status: 'REPLICATED' }).where(eq(replicas.buildId, id));
  for (const store of everyStore()) {
    await putBlob(store, packKey(packDigest), 'pack');
    await putBlob(store, manifestKey(build.manifestDigest), 'manifest');
  }
  return { ...build, id };
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

    expect(await run()).toMatchObject({ expired: [old.id], swept: [{ id: old.id, freedBytes: 36 }], left: 0 });
    for (const store of everyStore()) {
      expect(await isThere(store, packKey(old.packDigest))).toBe(false);
      expect(await isThere(store, manifestKey(old.manifestDigest))).toBe(false);
      expect(await isThere(store, packKey(young.packDigest))).toBe(true);
    }
    const [row] = await test.database.select().from(builds).where(eq(builds.id, old.id));
    expect(row?.sweptAt).toBeInstanceOf(Date);
    expect(await test.database.select().from(replicas).where(eq(replicas.buildId, old.id))).toEqual([]);
    expect(await run()).toEqual({ expired: [], swept: [], rows: [], left: 0 });
    const audited = await test.database.execute(
      sql`select actor, details from audit_log where action = 'retention.sweep'`,
    );
    expect(audited).toMatchObject([{ actor: 'ada', details: { swept: [old.id], freedBytes: 36 } }]);
  });

  it('keeps a pack that a younger build of the same tree has too', async () => {
    const old = await buildOfAge(30);
    await buildOfAge(1, old.packDigest);
    await buildOfAge(0);
    expect(await run()).toMatchObject({ swept: [{ id: old.id, freedBytes: 24 }] });
    for (const store of everyStore()) {
      expect(await isThere(store, packKey(old.packDigest))).toBe(true);
      expect(await isThere(store, manifestKey(old.manifestDigest))).toBe(false);
    }
  });

  it('makes a build of the same tree upload anew, when it ends in the middle of the sweep', async () => {
    const old = await buildOfAge(30);
    for (const days of [0, 1]) await buildOfAge(days);
    const { id } = await addJob(test.database, 'shop');
    const [attempt] = await jobQueue(test.database).take('w');
    expect(attempt!.jobId).toBe(id);
    const again = finishedBuild(await jobQueue(test.database).reserveBuildId(attempt!), { packDigest: old.packDigest });
    await expireBuilds(test.database, 'shop');
    await expect(jobQueue(test.database).complete(attempt!, again)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await run();
    await expect(jobQueue(test.database).complete(attempt!, again), 'its upload may have been swept').rejects.toThrow();
    await test.database.execute(sql`update jobs set started_at = now() where id = ${id}`);
    expect(await jobQueue(test.database).complete(attempt!, again)).toMatchObject({ recorded: true });
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
      await expect(sweepBuilds(test.database, cutStores, { most: 1, signal })).rejects.toThrow('killed here');
      expect((await planSweep(test.database)).unfinished).toBe(1);
      await run();
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
