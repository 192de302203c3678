import { grantToken } from '@starling/server/accounts/tokens.ts';
import { jobQueue } from '@starling/server/jobs/queue.ts';
import { requeueAbandoned } from '@starling/server/jobs/requeue-abandoned.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { hashOfToken } from '@starling/server/lib/random-token.ts';
import { openMetrics } from '@starling/server/metrics/metrics.ts';
import { listWorkers } from '@starling/server/workers/list.ts';
import { demandsQuery, queueStatus } from '@starling/server/workers/queue-status.ts';
import { type RegistrationOptions, registerWorker } from '@starling/server/workers/registration.ts';
import { forgetGone, takeName } from '@starling/server/workers/registry.ts';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { asc, eq, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  auditLog,
  builds,
  identities,
  jobs,
  jobsTaken,
  jobsWaiting,
  projects,
  replicas,
  workers,
} from '../../drizzle/schema/index.ts';
import { startTestApi, type TestApi } from '../api/start-test-api.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addIdentity, addJob, addProject, addRegions, finishedBuild } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const log = createLogger('test', 'silent');
let api: TestApi;
const undo: (() => Promise<void>)[] = [];
const enrolled = ['w1', 'w2', 'plain', 'strong', 'gone', 'drained', 'here'];

beforeAll(async () => {
  await grantToken(test.database, 'ada', 'admin', 'admin-token');
  await grantToken(test.database, 'vera', 'viewer', 'viewer-token');
  const metrics = openMetrics({ database: test.database, targetWaitMs: 60_000, log, endedLagMs: 0 });
  api = await startTestApi(test.database, { readMetrics: metrics.read });
});
afterAll(() => api.stop());
beforeEach(async () => {
  for (const table of [replicas, builds, jobs, jobsWaiting, jobsTaken, workers, identities])
    await test.database.delete(table);
  await addRegions(test.database, ['eu']);
  await addProject(test.database, 'shop');
  for (const name of enrolled)
    await addIdentity(test.database, { kind: 'worker', name, region: null }, `the secret of ${name}`);
});
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

const identity = (name: string, labels: Record<string, string> = {}, place = 'host:/data') => ({
  name,
  labels,
  place,
  version: 'test',
  credentialHash: hashOfToken(`the secret of ${name}`),
});
const register = async (
  name: string,
  labels: Record<string, string> = {},
  more: Partial<RegistrationOptions> & { place?: string } = {},
) => {
  const worker = identity(name, labels, more.place);
  const registration = await registerWorker({ database: test.database, clock: systemClock, log, ...more, worker });
  undo.push(() => registration.stop());
  return registration;
};
const view = async (name: string) => (await listWorkers(test.database)).find((worker) => worker.name === name);
const row = async (name: string) => (await test.database.select().from(workers).where(eq(workers.name, name)))[0]!;
const silence = (name: string, interval: string) =>
  test.database.execute(sql`update workers set last_seen_at = now() - ${interval}::interval where name = ${name}`);
const queue = () => jobQueue(test.database);
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

describe('a worker that registers', () => {
  it('is there with its labels, keeps saying so, and says when it ends', async () => {
    const registration = await register('w1', { os: 'linux' }, { refreshMs: 20 });
    expect(await view('w1')).toMatchObject({ state: 'IDLE', labels: { os: 'linux' }, place: 'host:/data', job: null });
    await silence('w1', '10 minutes');
    await eventually(async () => expect((await view('w1'))?.state).toBe('IDLE'));
    await registration.stop();
    expect(await view('w1')).toMatchObject({ state: 'STOPPED' });
  });

  it('shows what it builds, and is silent when it was killed', async () => {
    await takeName(test.database, identity('w1'), { heirOfPlace: true });
    const { id } = await addJob(test.database, 'shop');
    await queue().take('w1');
    expect(await view('w1')).toMatchObject({
      state: 'BUSY',
      job: { id, project: 'shop', attempt: 1, stage: 'CHECKOUT' },
    });
    await silence('w1', '31 seconds');
    expect(await view('w1')).toMatchObject({ state: 'SILENT', job: null });
  });

  it('takes the name at once after one that was killed in the same place, and after one that ended', async () => {
    await takeName(test.database, identity('w1', { os: 'old' }), { heirOfPlace: true });
    const second = await register('w1', { os: 'new' });
    expect([second.held, second.inherited]).toEqual([true, true]);
    expect((await row('w1')).labels).toEqual({ os: 'new' });
    await second.stop();
    const third = await register('w1', {}, { place: 'elsewhere:/data' });
    expect([third.held, third.inherited]).toEqual([true, false]);
    expect((await register('w2')).inherited).toBe(false);
  });

  it('puts back what it was building when it was killed, as long as attempts are left', async () => {
    const { id } = await addJob(test.database, 'shop', { maxAttempts: 2 });
    const other = await addJob(test.database, 'shop');
    await queue().take('w1');
    await queue().take('w2');
    expect(await requeueAbandoned(test.database, 'w1')).toEqual([id]);
    expect(await requeueAbandoned(test.database, 'w1')).toEqual([]);
    expect(await queue().take('w1')).toMatchObject([{ jobId: id, attempt: 2 }]);
    await requeueAbandoned(test.database, 'w1');
    const rows = await test.database.select().from(jobs).orderBy(asc(jobs.id));
    expect(rows).toMatchObject([
      { status: 'FAILED', failureReason: 'worker w1 was killed in attempt 2 of 2', worker: null },
      { id: other.id, status: 'RUNNING', worker: 'w2' },
    ]);
  });

  it('is refused while another place has the name, and gets it when that one falls silent', async () => {
    // A thousand times as fast as the database's.
    const hasty: Clock = {
      now: () => Date.now() * 1_000,
      sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / 1_000, signal),
    };
    await register('w1');
    const refused = register('w1', {}, { place: 'elsewhere:/data', clock: hasty });
    await expect(refused).rejects.toMatchObject({
      code: 'CONFLICT',
      field: 'STARLING_WORKER',
      message: expect.stringMatching(/^a worker called w1 runs at host:\/data, and was heard of [\d.]+ m?s ago$/),
    });
    await takeName(test.database, identity('w2'), { heirOfPlace: true });
    const heir = register('w2', {}, { place: 'elsewhere:/data', refreshMs: 20 });
    await silence('w2', '31 seconds');
    expect((await heir).held).toBe(true);
    expect((await row('w2')).host).toBe('elsewhere:/data');
  });

  it('takes no job once another has its name, and takes it back when that one ends', async () => {
    const first = await register('w1', {}, { refreshMs: 20 });
    await silence('w1', '1 minute');
    // A worker that stood still does not refresh; this one may be quicker than the other, who then waits its turn.
    const taken = await vi.waitUntil(
      async () => {
        await silence('w1', '1 minute');
        const answer = await takeName(test.database, identity('w1', {}, 'elsewhere:/data'), { heirOfPlace: true });
        return 'since' in answer && answer;
      },
      { timeout: 10_000, interval: 1 },
    );
    expect(taken).toBeTruthy();
    await eventually(async () => expect(first.held).toBe(false));
    expect((await row('w1')).host).toBe('elsewhere:/data');
    await test.database.update(workers).set({ stoppedAt: sql`now()` });
    await eventually(async () => expect(first.held).toBe(true));
    expect((await row('w1')).host).toBe('host:/data');
  });

  it('is refused when it is not enrolled, is enrolled as another, or was revoked', async () => {
    const shutOut = (message: string) => ({ code: 'FORBIDDEN', message, fix: expect.stringContaining('enrol worker') });
    await expect(register('stranger')).rejects.toMatchObject(
      shutOut('no worker is enrolled as stranger in this database'),
    );
    const impostor = { ...identity('w1'), credentialHash: hashOfToken('another secret') };
    await expect(takeName(test.database, impostor, { heirOfPlace: true })).rejects.toMatchObject(
      shutOut('another worker is enrolled as w1'),
    );
    await api.as('admin-token').identities.revoke.mutate({ kind: 'worker', name: 'w1' });
    await expect(register('w1')).rejects.toMatchObject(shutOut('the identity of worker w1 was revoked by ada'));
    expect(await listWorkers(test.database)).toEqual([]);
  });

  it('takes no job any more once it is revoked, and says why', async () => {
    const said: string[] = [];
    const hearing = { ...log, error: (line: string) => said.push(line) } as unknown as typeof log;
    const registration = await register('w1', {}, { refreshMs: 20, log: hearing });
    await addJob(test.database, 'shop');
    await api.as('admin-token').identities.revoke.mutate({ kind: 'worker', name: 'w1' });
    expect(await queue().take('w1')).toEqual([]);
    await eventually(async () => expect(registration.held).toBe(false));
    await eventually(async () =>
      expect(said).toEqual(['the identity of worker w1 was revoked by ada; no job is taken any more']),
    );
    expect((await view('w1'))?.state).toBe('REVOKED');
  });

  it('is forgotten after a day, unless it is drained', async () => {
    for (const name of ['gone', 'drained', 'here'])
      await takeName(test.database, identity(name), { heirOfPlace: true });
    await api.as('admin-token').workers.drain.mutate({ name: 'drained' });
    for (const name of ['gone', 'drained']) await silence(name, '25 hours');
    expect((await listWorkers(test.database)).map(({ name }) => name)).toEqual(['drained', 'here']);
    await forgetGone(test.database);
    expect((await test.database.select().from(workers)).map(({ name }) => name).toSorted()).toEqual([
      'drained',
      'here',
    ]);
  });
});

describe('draining', () => {
  it('gives a worker no new job until it is resumed, across a restart, and is audited', async () => {
    await takeName(test.database, identity('w1'), { heirOfPlace: true });
    await addJob(test.database, 'shop');
    await addJob(test.database, 'shop');
    const admin = api.as('admin-token');
    expect(await queue().take('w1')).toHaveLength(1);
    const before = Date.now();
    expect(await admin.workers.drain.mutate({ name: 'w1' })).toMatchObject({ state: 'DRAINING', drainedBy: 'ada' });
    expect(await admin.workers.drain.mutate({ name: 'w1' })).toMatchObject({ state: 'DRAINING' });
    expect((await view('w1'))?.job).toMatchObject({ project: 'shop' });
    expect(await queue().take('w1')).toEqual([]);
    await takeName(test.database, identity('w1'), { heirOfPlace: true });
    expect(await queue().take('w1')).toEqual([]);
    expect(await admin.workers.resume.mutate({ name: 'w1' })).toMatchObject({ drainingSince: null });
    expect(await queue().take('w1')).toHaveLength(1);
    const entries = (await test.database.select().from(auditLog)).filter(({ at }) => at.getTime() >= before);
    expect(entries.map(({ actor, action, target }) => [actor, action, target])).toEqual([
      ['ada', 'worker.drain', 'w1'],
      ['ada', 'worker.resume', 'w1'],
    ]);
  });

  it('for its own end is over when it starts again', async () => {
    const registration = await register('w1');
    await registration.leave();
    expect(await view('w1')).toMatchObject({ state: 'DRAINING', drainedBy: null });
    await register('w1');
    expect(await view('w1')).toMatchObject({ state: 'IDLE', drainingSince: null });
  });

  it('is for administrators, and for workers that there are', async () => {
    await expect(api.as('viewer-token').workers.drain.mutate({ name: 'w1' })).rejects.toMatchObject({
      data: { starlingCode: 'FORBIDDEN' },
    });
    await expect(api.as('admin-token').workers.drain.mutate({ name: 'w9' })).rejects.toMatchObject({
      message: 'There is no worker "w9".',
    });
  });
});

describe('labels', () => {
  it('lead a job to a worker that has them; the others leave it, and the signal says why nobody takes it', async () => {
    await takeName(test.database, identity('plain', { os: 'linux' }), { heirOfPlace: true });
    const { id } = await addJob(test.database, 'shop', { workerLabels: { gpu: 'a100' } });
    expect(await queue().take('plain', { labels: { os: 'linux' } })).toEqual([]);
    expect(await api.as('viewer-token').queue.status.query()).toMatchObject({
      queued: 1,
      unclaimable: 1,
      workersAlive: 1,
      workersWanted: 1,
      byLabels: [{ labels: { gpu: 'a100' }, unclaimableBecause: 'no living worker has gpu=a100' }],
    });
    await takeName(test.database, identity('strong', { gpu: 'a100', os: 'linux' }), { heirOfPlace: true });
    expect(await queueStatus(test.database, { targetWaitMs: 60_000 })).toMatchObject({ queued: 1, unclaimable: 0 });
    expect(await queue().take('strong', { labels: { gpu: 'a100', os: 'linux' } })).toMatchObject([{ jobId: id }]);
  });
});

describe('the signal, from the tables', () => {
  it('counts what waits, runs, arrived and how long builds took', async () => {
    await addProject(test.database, 'blog');
    await test.database
      .update(projects)
      .set({ settings: { builds: { maxConcurrent: 1 } } })
      .where(eq(projects.name, 'blog'));
    await takeName(test.database, identity('w1'), { heirOfPlace: true });
    const done = await addJob(test.database, 'shop');
    const attempt = (await queue().take('w1'))[0]!;
    await queue().complete(attempt, finishedBuild(await queue().reserveBuildId(attempt)));
    await test.database
      .update(jobs)
      .set({ startedAt: sql`${jobs.finishedAt} - interval '2 minutes'`, createdAt: sql`now() - interval '3 minutes'` })
      .where(eq(jobs.id, done.id));
    for (let count = 0; count < 3; count += 1) await addJob(test.database, 'blog');
    const status = await queueStatus(test.database, { targetWaitMs: 60_000 });
    expect(status).toMatchObject({ queued: 1, heldBack: 2, running: 0, meanBuildMs: 120_000, arrivalsPerHour: 16 });
    expect(status.workersWanted).toBe(1);
    expect(status.oldestWaitMs).toBeGreaterThanOrEqual(0);
    await test.database
      .update(jobs)
      .set({ finishedAt: sql`now() - interval '2 hours'`, createdAt: sql`now() - interval '3 hours'` })
      .where(eq(jobs.id, done.id));
    expect(await queueStatus(test.database, { targetWaitMs: 60_000 })).toMatchObject({
      meanBuildMs: null,
      arrivalsPerHour: 12,
    });
  });
});

it('the signal is read by index, however many jobs there were', async () => {
  await test.database.execute(sql`
    insert into jobs (project, commit_sha, requested_ref, requested_by, repository_url, binary_name, status, max_attempts,
      deadline_ms, created_at, started_at, finished_at)
    select 'shop', md5(n::text), 'main', 'test', '/repository', 'shop', 'SUCCEEDED', 3, 1000,
      now() - n * interval '1 minute', now() - n * interval '1 minute', now() - n * interval '1 minute'
    from generate_series(1, 30000) n`);
  for (let count = 0; count < 5; count += 1) await addJob(test.database, 'shop');
  await test.database.execute(sql`analyze jobs, jobs_waiting, jobs_taken`);
  const plan = await test.database.execute<{ 'QUERY PLAN': string }>(sql`explain ${demandsQuery()}`);
  const lines = [...plan].map((line) => line['QUERY PLAN']);
  expect(lines.filter((line) => /Seq Scan on jobs( |$)/.test(line))).toEqual([]);
  expect(lines.filter((line) => /Index Scan (using|on) jobs_(pkey|by_end)/.test(line))).toHaveLength(3);
});

describe('metrics', () => {
  /** The samples of a text in the format of Prometheus, by name and labels; throws where a line is none. */
  function parse(text: string): Map<string, number> {
    expect(text.endsWith('\n')).toBe(true);
    const samples = new Map<string, number>();
    const types = new Map<string, string>();
    for (const line of text.split('\n')) {
      if (line === '' || line.startsWith('# HELP ')) continue;
      const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
      if (type) {
        expect(types.has(type[1]!)).toBe(false);
        types.set(type[1]!, type[2]!);
        continue;
      }
      const sample =
        /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (-?[0-9.e+-]+|Na[Nn]|[+-]?Inf)$/.exec(line);
      if (!sample) throw new Error(`no sample: ${line}`);
      const key = `${sample[1]}${sample[2] ?? ''}`;
      expect(samples.has(key), key).toBe(false);
      samples.set(key, Number(sample[3]));
      expect(
        [...types.keys()].some((name) => sample[1]!.startsWith(name)),
        line,
      ).toBe(true);
    }
    return samples;
  }
  const read = async (headers: Record<string, string> = {}) => fetch(`${api.url}/metrics`, { headers });
  const samples = async () => parse(await (await read()).text());

  it('show queue, workers and jobs as the tables have them, each ended job once', async () => {
    const before = await samples();
    await takeName(test.database, identity('w1', { os: 'linux' }), { heirOfPlace: true });
    for (let count = 0; count < 2; count += 1) await addJob(test.database, 'shop');
    await addJob(test.database, 'shop', { workerLabels: { gpu: 'a"100' } });
    const first = (await queue().take('w1'))[0]!;
    await test.database
      .update(jobs)
      .set({ startedAt: sql`now() - interval '60 seconds'` })
      .where(eq(jobs.id, first.jobId));
    await queue().fail(first, 'no', false);
    await queue().take('w1');
    for (const again of [1, 2]) {
      const after = await samples();
      expect(
        Object.fromEntries([...after].filter(([name]) => name.startsWith('starling_'))),
        `time ${again}`,
      ).toMatchObject({
        starling_queue_depth: 1,
        starling_queue_unclaimable: 1,
        'starling_pool_queue_depth{requires="gpu=a\\"100"}': 1,
        'starling_pool_workers_alive{requires=""}': 1,
        'starling_workers{state="busy"}': 1,
        'starling_workers{state="silent"}': 0,
        'starling_jobs{status="QUEUED"}': 1,
        'starling_jobs{status="RUNNING"}': 1,
        starling_workers_wanted: 2,
        starling_database_reached: 1,
      });
      const grown = (name: string) => after.get(name)! - (before.get(name) ?? 0);
      expect(grown('starling_jobs_ended_total{status="FAILED"}')).toBe(1);
      expect(grown('starling_build_duration_seconds_bucket{le="30",status="FAILED"}')).toBe(0);
      expect(grown('starling_build_duration_seconds_bucket{le="+Inf",status="FAILED"}')).toBe(1);
      expect(grown('starling_build_duration_seconds_count{status="FAILED"}')).toBe(1);
      expect(grown('starling_build_duration_seconds_sum{status="FAILED"}')).toBeGreaterThanOrEqual(60);
      expect(after.get('process_resident_memory_bytes')).toBeGreaterThan(0);
    }
  });

  it('put a bound into the bucket that it ends', async () => {
    const metrics = openMetrics({ database: test.database, targetWaitMs: 60_000, log, endedLagMs: 0 });
    for (const seconds of [5, 5.001, 3_600, 3_600.001]) {
      const { id } = await addJob(test.database, 'shop');
      await test.database
        .update(jobs)
        .set({
          status: 'SUCCEEDED',
          startedAt: sql`now() - ${seconds + 10} * interval '1 second'`,
          finishedAt: sql`now() - interval '10 seconds'`,
        })
        .where(eq(jobs.id, id));
    }
    const found = parse((await metrics.read()).text);
    const upTo = (le: string) => found.get(`starling_build_duration_seconds_bucket{le="${le}",status="SUCCEEDED"}`);
    expect(['5', '15', '1800', '3600', '+Inf'].map(upTo)).toEqual([1, 2, 2, 3, 4]);
  });

  it('say that the database is away rather than nothing', async () => {
    const broken = {
      execute: async () => {
        throw new Error('gone');
      },
    } as unknown as typeof test.database;
    const found = parse((await openMetrics({ database: broken, targetWaitMs: 1, log }).read()).text);
    expect(found.get('starling_database_reached')).toBe(0);
    expect(found.has('starling_queue_depth')).toBe(false);
    expect(found.get('process_cpu_seconds_total')).toBeGreaterThan(0);
  });

  it('are for this host and for tokens that may view everything', async () => {
    expect((await read()).status).toBe(200);
    const proxied = { 'x-forwarded-for': '203.0.113.7' };
    expect((await read(proxied)).status).toBe(401);
    expect((await read({ ...proxied, authorization: 'Bearer wrong' })).status).toBe(401);
    const answer = await read({ ...proxied, authorization: 'Bearer viewer-token' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
  });
});
