import { cancelJob } from '@starling/server/jobs/cancel.ts';
import { createJobs } from '@starling/server/jobs/create.ts';
import { endAndTake } from '@starling/server/jobs/end.ts';
import { forgetEnded } from '@starling/server/jobs/open-jobs.ts';
import { prioritiseJob } from '@starling/server/jobs/prioritise.ts';
import { jobQueue } from '@starling/server/jobs/queue.ts';
import { failOverdue, failUnclaimed, requeueStale } from '@starling/server/jobs/requeue-stale.ts';
import type { JobStatus } from '@starling/shared/words.ts';
import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  builds,
  deployments,
  jobLogPieces,
  jobStageTimes,
  jobs,
  jobsTaken,
  jobsWaiting,
  replicas,
} from '../../drizzle/schema/index.ts';
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
  for (const table of [jobLogPieces, jobStageTimes, replicas, deployments, builds, jobs, jobsWaiting, jobsTaken])
    await test.database.delete(table);
  await addRegions(test.database, ['eu', 'us', 'ap']);
  await addProject(test.database, 'shop');
});

// Whatever a test did: the lists of what waits and what was taken agree with the jobs.
afterEach(async () => {
  const withStatus = async (status: JobStatus) =>
    (await test.database.select({ id: jobs.id }).from(jobs).where(eq(jobs.status, status))).map(({ id }) => id);
  const waiting = await test.database.select({ id: jobsWaiting.jobId }).from(jobsWaiting).orderBy(jobsWaiting.jobId);
  expect(waiting.map(({ id }) => id)).toEqual((await withStatus('QUEUED')).toSorted((a, b) => a - b));
  await forgetEnded(test.database);
  const taken = new Set((await test.database.select({ id: jobsTaken.jobId }).from(jobsTaken)).map(({ id }) => id));
  expect([...taken]).toEqual(expect.arrayContaining(await withStatus('RUNNING')));
  expect([...(await withStatus('QUEUED')), ...(await withStatus('RUNNING'))]).toEqual(
    expect.arrayContaining([...taken]),
  );
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
    for (const [attempt] of [await queue().take('w1'), await queue().take('w1')])
      await queue().fail(attempt!, 'no', false);
    expect((await addJob(test.database, 'shop', { commitSha })).created).toBe(true);
  });

  it('is one job of a commit however many ask at once, forced or not, one by one or many together', async () => {
    const commits = Array.from({ length: 20 }, () => someSha());
    const job = (commitSha: string) => ({
      project: 'shop',
      commitSha,
      requestedRef: 'main',
      requestedBy: 'test',
      repositoryUrl: '/repository',
      binaryName: 'shop',
      maxAttempts: 3,
      deadlineMs: 1_000,
    });
    const answers = await Promise.all([
      ...Array.from({ length: 3 }, () => createJobs(test.database, commits.map(job))),
      ...commits.map(async (commitSha) => [await addJob(test.database, 'shop', { commitSha })]),
    ]);
    expect(answers.flat().filter(({ created }) => created)).toHaveLength(20);
    expect(answers[0]!.map(({ id }) => id)).toEqual(answers[1]!.map(({ id }) => id));
    const forced = await addJob(test.database, 'shop', { commitSha: commits[0]!, force: true });
    expect(await addJob(test.database, 'shop', { commitSha: commits[0]! })).toEqual({ id: forced.id, created: false });
    await cancelJob(test.database, forced.id, 'cancelled');
    expect((await addJob(test.database, 'shop', { commitSha: commits[0]! })).created).toBe(true);
  });
});

describe('completing a job', () => {
  it('writes job, build and a replica for each region together', async () => {
    const { id } = await addJob(test.database, 'shop');
    const attempt = await take('w1');
    const build = finishedBuild(await queue().reserveBuildId(attempt));
    expect((await queue().complete(attempt, build)).recorded).toBe(true);
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
    expect((await queue().complete(lost, finishedBuild(await queue().reserveBuildId(lost)))).recorded).toBe(false);
    expect(await queue().fail(lost, 'too late', false)).toBe(false);
    expect(await jobRow(id)).toMatchObject({ status: 'RUNNING', worker: 'w2' });
    expect(await queue().heartbeat(current)).toBe(true);
    expect((await queue().complete(current, finishedBuild(await queue().reserveBuildId(current)))).recorded).toBe(true);
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

describe('ending one job and taking the next', () => {
  it('is one commit with the build, and none when the attempt was taken away', async () => {
    await addJob(test.database, 'shop');
    const second = await addJob(test.database, 'shop');
    const attempt = await take('w1');
    const build = finishedBuild(await queue().reserveBuildId(attempt));
    const { recorded, next } = await queue().complete(attempt, build, { limit: 1 });
    expect(recorded).toBe(true);
    expect(next).toMatchObject([{ jobId: second.id, attempt: 1, worker: 'w1' }]);
    await addJob(test.database, 'shop');
    await cancelJob(test.database, second.id, 'cancelled');
    const late = finishedBuild(await queue().reserveBuildId(next[0]!));
    expect(await queue().complete(next[0]!, late, { limit: 1 })).toEqual({ recorded: false, next: [] });
  });

  it('knows its own build when only the answer was lost', async () => {
    await addJob(test.database, 'shop');
    const attempt = await take('w1');
    const build = finishedBuild(await queue().reserveBuildId(attempt));
    await queue().complete(attempt, build);
    expect(await queue().complete(attempt, build)).toEqual({ recorded: true, next: [] });
    expect((await queue().complete(attempt, { ...build, buildId: 'shop@another-1' })).recorded).toBe(false);
  });

  it('ends many at once, of whichever attempt, and names those that were taken away', async () => {
    for (let count = 0; count < 5; count += 1) await addJob(test.database, 'shop');
    const [again] = await queue().take('w1');
    await queue().fail(again!, 'try again', true);
    const held = await queue().take('w1', { limit: 3 });
    expect(held.map(({ attempt }) => attempt).toSorted()).toEqual([1, 1, 2]);
    await cancelJob(test.database, held[1]!.jobId, 'cancelled');
    const { lost, taken } = await endAndTake(test.database, 'w1', held, { limit: 10 });
    expect(lost).toEqual([held[1]!.jobId]);
    expect(taken).toHaveLength(2);
    expect(await endAndTake(test.database, 'w2', taken), "another worker's").toMatchObject({
      lost: expect.arrayContaining(taken.map(({ jobId }) => jobId)),
    });
  });

  it('goes wrong in no order of calls: workers, cancels, moves, failures and the monitor at once', async () => {
    const ids: number[] = [];
    for (let count = 0; count < 120; count += 1) ids.push((await addJob(test.database, 'shop')).id);
    const done: number[] = [];
    const worker = async (name: string) => {
      for (let held = await queue().take(name, { limit: 3 }); held.length > 0; ) {
        const [first, ...rest] = held;
        if (first!.jobId % 5 === 0) await queue().fail(first!, 'no', first!.jobId % 2 === 0);
        else rest.push(first!);
        const { lost, taken } = await endAndTake(test.database, name, rest, { limit: 3 });
        done.push(...rest.map(({ jobId }) => jobId).filter((id) => !lost.includes(id)));
        held = taken;
      }
    };
    const cancels = async () => {
      for (const id of ids.filter((each) => each % 7 === 0)) await cancelJob(test.database, id, 'cancelled');
    };
    const mover = async () => {
      for (const id of ids.filter((each) => each % 3 === 0)) await prioritiseJob(test.database, id, (id % 200) - 100);
    };
    const monitor = async () => {
      for (let look = 0; look < 10; look += 1) await requeueStale(test.database, look % 2 === 0 ? 0 : 300_000);
    };
    await Promise.all([worker('w1'), worker('w2'), worker('w3'), worker('w4'), cancels(), mover(), mover(), monitor()]);
    await worker('w5');
    const rows = await test.database.select({ id: jobs.id, status: jobs.status }).from(jobs);
    expect(rows.filter(({ status }) => status === 'QUEUED' || status === 'RUNNING')).toEqual([]);
    expect(
      done.toSorted((a, b) => a - b),
      'each success was told to one worker',
    ).toEqual(
      rows
        .filter(({ status }) => status === 'SUCCEEDED')
        .map(({ id }) => id)
        .toSorted((a, b) => a - b),
    );
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
    expect((await queue().complete(attempt, finishedBuild(await queue().reserveBuildId(attempt)))).recorded).toBe(
      false,
    );
    expect(await cancelJob(test.database, running.id, 'again')).toBe(false);
    const row = await jobRow(running.id);
    expect(row).toMatchObject({ status: 'CANCELLED', failureReason: 'cancelled by ada: wrong branch' });
    expect(row.finishedAt).not.toBeNull();
  });
});

describe('another priority', () => {
  it('is another place in the queue, for as long as it waits', async () => {
    const [first, second, third] = [
      await addJob(test.database, 'shop'),
      await addJob(test.database, 'shop'),
      await addJob(test.database, 'shop'),
    ];
    expect(await prioritiseJob(test.database, third.id, 10)).toBe(true);
    expect(await prioritiseJob(test.database, first.id, -1)).toBe(true);
    const taken = [await take('w1'), await take('w2'), await take('w3')];
    expect(taken.map(({ jobId }) => jobId)).toEqual([third.id, second.id, first.id]);
    expect(await prioritiseJob(test.database, first.id, 100)).toBe(false);
    expect(await jobRow(first.id)).toMatchObject({ status: 'RUNNING', priority: -1 });
    expect(await test.database.select().from(jobsWaiting)).toEqual([]);
  });

  it('given by two at once, and cancelled meanwhile, leaves nothing behind', async () => {
    const { id } = await addJob(test.database, 'shop');
    const moves = Array.from({ length: 8 }, (_, place) => prioritiseJob(test.database, id, place));
    const [cancelled] = await Promise.all([cancelJob(test.database, id, 'cancelled by ada'), ...moves]);
    expect(cancelled).toBe(true);
    expect((await jobRow(id)).status).toBe('CANCELLED');
    expect(await test.database.select().from(jobsWaiting)).toEqual([]);
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
