import { expect, test } from 'vitest';
import { at, sha } from './testing/samples.ts';
import { StubbedCli } from './testing/stubbed-cli.ts';

const stub = new StubbedCli();
const { starling } = stub;

const worker = (name: string, over: object = {}) => ({
  name,
  labels: { os: 'linux', gpu: 'none' },
  place: `${name}.example:/var/lib/starling`,
  version: '0.1.0',
  state: 'IDLE',
  startedAt: at,
  lastSeenAt: at,
  drainingSince: null,
  drainedBy: null,
  job: null,
  ...over,
});
const job = { id: 12, project: 'hello', commitSha: sha, attempt: 1, stage: 'RECIPE', startedAt: at };
const pool = {
  queued: 3,
  heldBack: 1,
  running: 1,
  oldestWaitMs: 65_000,
  arrivalsPerHour: 60,
  meanBuildMs: 90_000,
  workersWanted: 4,
};

test('workers says who is there, what each builds and who drains', async () => {
  stub.server.answers['workers.list'] = () => [
    worker('w1', { state: 'BUSY', job }),
    worker('w2', { state: 'DRAINING', drainingSince: at, drainedBy: 'ann\u001b[2J' }),
    worker('w3', { state: 'SILENT', labels: {} }),
  ];
  const { stdout, stderr, exitCode } = await starling('workers');
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    /w1 +● BUSY +gpu=none,os=linux +.* ago +job 12: hello 1a2b3c4d5e6f, RECIPE, for .* w1\.example/,
  );
  expect(stdout).toMatch(/w2 +○ DRAINING by ann \d+ d ago/);
  expect(stdout).toMatch(/w3 +▲ SILENT/);
  expect(stderr).toBe('');
});

test('workers without one that takes jobs says how to start one', async () => {
  stub.server.answers['workers.list'] = () => [worker('w1', { state: 'STOPPED' })];
  const run = await starling('workers', '--json');
  expect(JSON.parse(run.stdout)).toMatchObject([{ name: 'w1', state: 'STOPPED' }]);
  expect(run.stderr).toContain('docs/how-to/scale-workers.md');
});

test('worker drain and resume name the worker, and drain says what it still builds', async () => {
  stub.server.answers['workers.drain'] = () => worker('w1', { state: 'DRAINING', job });
  stub.server.answers['workers.resume'] = () => worker('w1', { state: 'BUSY', job });
  const drained = await starling('worker', 'drain', 'w1');
  expect(drained.stdout).toBe('Worker w1 takes no new job; it finishes job 12 of hello.\n');
  expect(drained.stderr).toContain('starling worker resume w1');
  expect((await starling('worker', 'resume', 'w1')).stdout).toBe('Worker w1 takes jobs again; it is BUSY.\n');
  expect(stub.server.calls).toEqual([
    { path: 'workers.drain', input: { name: 'w1' } },
    { path: 'workers.resume', input: { name: 'w1' } },
  ]);
});

test('queue shows each set of labels, the sum, and why nobody takes a job', async () => {
  const status = {
    ...pool,
    queued: 5,
    unclaimable: 2,
    workersAlive: 1,
    workersBusy: 1,
    workersDraining: 0,
    targetWaitMs: 60_000,
    byLabels: [
      { ...pool, labels: {}, workersAlive: 1, unclaimableBecause: null },
      {
        ...pool,
        queued: 2,
        heldBack: 0,
        meanBuildMs: null,
        labels: { gpu: 'a100' },
        workersAlive: 0,
        unclaimableBecause: 'no living worker has gpu=a100',
      },
    ],
  };
  stub.server.answers['queue.status'] = () => status;
  const { stdout, stderr } = await starling('queue');
  const [, ...lines] = stdout.split('\n').map((line) => line.split(/ {2,}/));
  expect(lines.slice(0, 3)).toEqual([
    ['nothing', '3', '1', '1', '1 m 5 s', '1 m 30 s', '1', '4'],
    ['gpu=a100', '2', '0', '1', '1 m 5 s', '0', '4', 'no living worker has gpu=a100'],
    ['in all', '5', '1', '1', '1 m 5 s', '1 m 30 s', '1', '4'],
  ]);
  expect(stdout).toContain('1 worker alive, 1 busy, 0 draining; 4 wanted, so that no job waits longer than 1 m.');
  expect(stderr).toContain('No worker will take 2 jobs.');
  expect(JSON.parse((await starling('queue', '--json')).stdout)).toEqual(status);
});
