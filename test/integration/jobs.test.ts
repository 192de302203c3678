import { cancelJob } from '@starling/server/jobs/cancel.ts';
import { jobQueue } from '@starling/server/jobs/queue.ts';
import { failOverdue, failUnclaimed, requeueStale } from '@starling/server/jobs/requeue-stale.ts';
import { eq, sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { builds, deployments, jobLogPieces, jobStageTimes, jobs, replicas } from '../../drizzle/schema/index.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addJob, addProject, addRegions, finishedBuild, someSha } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();
const queue = () => jobQueue(test.database);
const take = async (worker: string) => (await queue().take(worker))[0]!;
const jobRow = async (id: number) => (await test.database.select().from(jobs).where(eq(jobs.id, id)))[0]!;
const age = (id: number, interval: string) =>
  test.database.execute(
    sql`update jobs set last_heartbeat_at = now() - ${interval}::interval, started_at = now() - ${interval}::interval, created_at = now() - ${interval}::interval where id = ${id}`,
  );

beforeEach(async () => {
  for (const table of [jobLogPieces, jobStageTimes, replicas, deployments, builds, jobs])
    await test.database.delete(table);
  await addRegions(test.database, ['eu', 'us', 'ap']);
  await addProject(test.database, 'shop');
});

describe('taking a job', () => {
  it('takes the oldest first, makes it RUNNING and gives each worker its own', async () => {
    const first = await addJob(test.database, 'shop');
    const second = await addJob(test.database, 'shop');
    const [a, b, none] = [...(await queue().take('w1')), ...(await queue().take('w2')), ...(await queue().take('w3'))];
    expect(a).toMatchObject({ jobId: first.id, attempt: 1, worker: 'w1', project: 'shop' });
    expect(b).toMatchObject({ jobId: second.id, worker: 'w2' });
    expect(none).toBeUndefined();
    expect(await jobRow(first.id)).toMatchObject({ status: 'RUNNING', worker: 'w1', attempts: 1 });
  });

  it('never gives one job to two of many workers that ask at once', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, async () => (await addJob(test.database, 'shop')).id));
    const taken = await Promise.all(Array.from({ length: 40 }, (_, number) => queue().take(`w${number}`)));
    const takenIds = taken.flat().map((attempt) => attempt.jobId);
    expect(takenIds.toSorted((x, y) => x - y)).toEqual(ids.toSorted((x, y) => x - y));
  });

  it('builds a commit once unless forced, and again after it failed', async () => {
    const commitSha = someSha();
    const first = await addJob(test.database, 'shop', { commitSha });
    expect(await addJob(test.database, 'shop', { commitSha })).toEqual({ id: first.id, created: false });
    expect((await addJob(test.database, 'shop', { commitSha, force: true })).created).toBe(true);
    await test.database.update(jobs).set({ status: 'FAILED' });
    expect((await addJob(test.database, 'shop', { commitSha })).created).toBe(true);
  });
});

describe('completing a job', () => {
  it('writes job, build and a replica for each region together', async () => {
    const { id } = await addJob(test.database, 'shop');
    const attempt = await take('w1');
    const build = finishedBuild(await queue().reserveBuildId(attempt));
    expect(await queue().complete(attempt, build)).toBe(true);
    expect(await jobRow(id)).toMatchObject({ status: 'SUCCEEDED', buildId: build.buildId, stage: null });
    const rows = await test.database.select().from(replicas);
    expect(rows.map((row) => [row.region, row.status, row.bytesTotal]).toSorted()).toEqual([
      ['ap', 'PENDING', 51_000],
      ['eu', 'PENDING', 51_000],
      ['us', 'PENDING', 51_000],
    ]);
  });

  it('writes nothing at all when one of the three cannot be written', async () => {
    const { id } = await addJob(test.database, 'shop');
    const attempt = await take('w1');
    const broken = finishedBuild('shop@000000000000', { packBytes: -1e30 });
    await expect(queue().complete(attempt, broken)).rejects.toThrow();
    expect(await jobRow(id)).toMatchObject({ status: 'RUNNING', buildId: null });
    expect(await test.database.select().from(builds)).toEqual([]);
    expect(await test.database.select().from(replicas)).toEqual([]);
  });

  it('refuses an attempt that was taken away: no heartbeat, no completion, no failure of it counts', async () => {
    const { id } = await addJob(test.database, 'shop');
    const lost = await take('w1');
    await age(id, '10 minutes');
    await requeueStale(test.database, 300_000);
    const current = await take('w2');
    expect(current).toMatchObject({ jobId: id, attempt: 2 });

    expect(await queue().heartbeat(lost)).toBe(false);
    expect(await queue().complete(lost, finishedBuild(await queue().reserveBuildId(lost)))).toBe(false);
    expect(await queue().fail(lost, 'too late', false)).toBe(false);
    expect(await jobRow(id)).toMatchObject({ status: 'RUNNING', worker: 'w2' });
    expect(await queue().heartbeat(current)).toBe(true);
    expect(await queue().complete(current, finishedBuild(await queue().reserveBuildId(current)))).toBe(true);
    expect(await test.database.select().from(builds)).toHaveLength(1);
  });
});

describe('a job that goes wrong', () => {
  it('is put back when its worker is silent, and FAILED after the last attempt, with the reason', async () => {
    const { id } = await addJob(test.database, 'shop', { maxAttempts: 2 });
    await queue().take('w1');
    expect(await requeueStale(test.database, 300_000)).toEqual([]);
    await age(id, '6 minutes');
    expect(await requeueStale(test.database, 300_000)).toEqual([{ id, status: 'QUEUED' }]);
    await queue().take('w2');
    await age(id, '6 minutes');
    expect(await requeueStale(test.database, 300_000)).toEqual([{ id, status: 'FAILED' }]);
    const row = await jobRow(id);
    expect(row).toMatchObject({ status: 'FAILED', failureReason: 'worker w2 stopped answering in attempt 2 of 2' });
    expect(row.finishedAt).not.toBeNull();
  });

  it('is ended at its deadline although its worker is lively', async () => {
    const { id } = await addJob(test.database, 'shop', { deadlineMs: 60_000 });
    const attempt = await take('w1');
    await age(id, '2 minutes');
    await queue().heartbeat(attempt);
    expect(await failOverdue(test.database)).toEqual([{ id, status: 'FAILED' }]);
    expect((await jobRow(id)).failureReason).toBe('the build was over its deadline of 60 s');
  });

  it('is ended when no worker takes it', async () => {
    const { id } = await addJob(test.database, 'shop');
    await age(id, '2 days');
    expect(await failUnclaimed(test.database, 24 * 3_600_000)).toEqual([{ id, status: 'FAILED' }]);
  });

  it('is tried again only where that may help, and only while attempts are left', async () => {
    const { id } = await addJob(test.database, 'shop', { maxAttempts: 2 });
    await queue().fail(await take('w1'), 'the store was away', true);
    expect(await jobRow(id)).toMatchObject({ status: 'QUEUED', failureReason: 'the store was away', finishedAt: null });
    await queue().fail(await take('w1'), 'the store was away', true);
    expect(await jobRow(id)).toMatchObject({ status: 'FAILED' });
    const other = await addJob(test.database, 'shop');
    await queue().fail(await take('w1'), 'recipe exited with code 1', false);
    expect(await jobRow(other.id)).toMatchObject({ status: 'FAILED', failureReason: 'recipe exited with code 1' });
  });
});

describe('cancelling', () => {
  it('ends a job that waits or runs, once, and whoever runs it writes nothing more', async () => {
    const waiting = await addJob(test.database, 'shop');
    expect(await cancelJob(test.database, waiting.id, 'cancelled by ada')).toBe(true);
    expect(await queue().take('w1')).toEqual([]);
    const running = await addJob(test.database, 'shop');
    const attempt = await take('w1');
    expect(await cancelJob(test.database, running.id, 'cancelled by ada: wrong branch')).toBe(true);
    expect(await queue().heartbeat(attempt)).toBe(false);
    expect(await queue().complete(attempt, finishedBuild(await queue().reserveBuildId(attempt)))).toBe(false);
    expect(await cancelJob(test.database, running.id, 'again')).toBe(false);
    const row = await jobRow(running.id);
    expect(row).toMatchObject({ status: 'CANCELLED', failureReason: 'cancelled by ada: wrong branch' });
    expect(row.finishedAt).not.toBeNull();
  });
});

describe('the log', () => {
  it('keeps pieces once and in order, NUL bytes included', async () => {
    const { id } = await addJob(test.database, 'shop');
    const attempt = await take('w1');
    await queue().appendLog(attempt, 0, 'one\n');
    await queue().appendLog(attempt, 1, 'two\0\n');
    await queue().appendLog(attempt, 1, 'two\0\n');
    const pieces = await test.database
      .select()
      .from(jobLogPieces)
      .where(eq(jobLogPieces.jobId, id))
      .orderBy(jobLogPieces.sequence);
    expect(pieces.map((piece) => piece.text)).toEqual(['one\n', 'two␀\n']);
  });

  it('has the time of each stage', async () => {
    await addJob(test.database, 'shop');
    const attempt = await take('w1');
    await queue().enterStage(attempt, 'CHECKOUT');
    await queue().enterStage(attempt, 'RECIPE');
    const times = await test.database
      .select()
      .from(jobStageTimes)
      .orderBy(jobStageTimes.startedAt, jobStageTimes.finishedAt);
    expect(times.map((time) => [time.stage, time.finishedAt !== null])).toEqual([
      ['CHECKOUT', true],
      ['RECIPE', false],
    ]);
  });
});
