import { expect, test } from 'vitest';
import { at } from '../testing/samples.ts';
import { type JobProgress, jobLines, replicaLines } from './job-lines.ts';
import { regionLine } from './wait-for-deployment.ts';

const nowMs = Date.parse(at) + 90_000;
const job: JobProgress = {
  status: 'RUNNING',
  attempts: 2,
  maxAttempts: 3,
  worker: 'w1',
  failureReason: null,
  createdAt: at,
  startedAt: at,
  stages: [
    { attempt: 1, stage: 'UPLOAD', startedAt: at, finishedAt: null },
    { attempt: 2, stage: 'CHECKOUT', startedAt: at, finishedAt: '2026-01-01T12:00:04.000Z' },
    { attempt: 2, stage: 'RECIPE', startedAt: '2026-01-01T12:00:04.000Z', finishedAt: null },
  ],
};

test('the stages of the present attempt, and of no earlier one', () => {
  expect(jobLines(job, nowMs)).toEqual([
    { key: 'QUEUE', state: 'done', text: 'RUNNING on w1, attempt 2' },
    { key: 'CHECKOUT', state: 'done', text: 'CHECKOUT check out the commit (4 s)' },
    { key: 'RECIPE', state: 'busy', text: 'RECIPE run the recipe (1 m 26 s)' },
    { key: 'PACK', state: 'waiting', text: 'PACK pack and sign the artifact' },
    { key: 'UPLOAD', state: 'waiting', text: 'UPLOAD upload it to the main blob store' },
  ]);
});

test('a job that failed shows the stage that did, with its reason', () => {
  const failed = jobLines({ ...job, status: 'FAILED', failureReason: 'exit code 2' }, nowMs);
  expect(failed.find((line) => line.state === 'failed')?.text).toBe('RECIPE run the recipe: exit code 2');
});

test('a job that waits for another attempt says so', () => {
  expect(jobLines({ ...job, status: 'QUEUED', worker: null }, nowMs)[0]?.text).toBe(
    'QUEUED for a worker (1 m 30 s, attempt 3 of 3)',
  );
});

test('a replica that FAILED is tried again, so it is not over', () => {
  const replica = { region: 'eu', bytesDone: 3, bytesTotal: 4, attempts: 2, startedAt: at, finishedAt: null };
  const [copying] = replicaLines([{ ...replica, status: 'COPYING', failureReason: null }], nowMs);
  expect(copying).toEqual({ key: 'eu', state: 'busy', text: 'eu COPYING 75 % of 4 B' });
  const [failed] = replicaLines([{ ...replica, status: 'FAILED', failureReason: 'no space' }], nowMs);
  expect(failed).toMatchObject({ state: 'busy', text: 'eu FAILED (attempt 2, tried again soon): no space' });
});

test('a region in words: what was confirmed, what goes on, what is wrong', () => {
  const region = {
    region: 'eu',
    machines: 4,
    done: 3,
    inProgress: 1,
    failed: 0,
    offline: 0,
    waiting: 0,
    notReached: 0,
  };
  const fetching = { bytesDone: 63, bytesTotal: 100, bytesPerSecond: 120 * 1024 * 1024 };
  expect(regionLine({ ...region, ...fetching })).toEqual({
    key: 'eu',
    state: 'busy',
    text: 'eu 3/4 machines, 1 fetching 63 %, 120.0 MiB/s',
  });
  const nothing = { bytesDone: 0, bytesTotal: 0, bytesPerSecond: 0 };
  expect(regionLine({ ...region, ...nothing, inProgress: 0, failed: 1 })).toMatchObject({ state: 'failed' });
  // A machine that is offline has confirmed nothing: the region is not done.
  expect(regionLine({ ...region, ...nothing, inProgress: 0, offline: 1 })).toMatchObject({
    state: 'busy',
    text: 'eu 3/4 machines, 1 offline',
  });
  expect(regionLine({ ...region, ...nothing, done: 4, inProgress: 0 })).toMatchObject({ state: 'done' });
});
