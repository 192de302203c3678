import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Labels } from './labels.ts';
import type { WorkerState, WorkerView } from './list.ts';
import { type Demand, type Load, queueSignal, whyUnclaimable, workersWanted } from './signal.ts';

const minute = 60_000;
const perMinute = (jobs: number) => jobs / minute;
const load = (more: Partial<Load>): Load => ({
  arrivalsPerMs: 0,
  meanBuildMs: 2 * minute,
  queued: 0,
  running: 0,
  targetWaitMs: minute,
  ...more,
});

describe('workers wanted', () => {
  it.each<[string, Partial<Load>, number]>([
    ['nothing arrives, waits or runs', {}, 0],
    ['3 jobs a minute of 2 minutes keep 6 busy', { arrivalsPerMs: perMinute(3) }, 6],
    ['3 jobs a minute of 10 seconds keep half a one busy', { arrivalsPerMs: perMinute(3), meanBuildMs: 10_000 }, 1],
    ['a backlog of 12 jobs of 10 seconds, to be begun within a minute', { queued: 12, meanBuildMs: 10_000 }, 2],
    ['both', { queued: 12, arrivalsPerMs: perMinute(3), meanBuildMs: 10_000 }, 3],
    ['no more than one for each job of a backlog', { queued: 5, meanBuildMs: 60 * minute }, 5],
    ['one for each job while durations are unknown', { queued: 7, meanBuildMs: null }, 7],
    ['never fewer than run something', { running: 4 }, 4],
    [
      'no more than there are jobs, though they all arrived just now',
      { queued: 10, arrivalsPerMs: 10 / (15 * minute), meanBuildMs: 15 * minute },
      10,
    ],
    ['as many as there are jobs when nobody is to wait at all', { queued: 3, targetWaitMs: 0, meanBuildMs: 1 }, 3],
    ['exact numbers are not rounded up', { arrivalsPerMs: 0.1 / minute, meanBuildMs: 30 * minute }, 3],
  ])('%s', (_, facts, expected) => {
    expect(workersWanted(load(facts))).toBe(expected);
  });

  it('grows with the load, and keeps within its bounds', () => {
    const loads = fc.record({
      arrivalsPerMs: fc.double({ min: 0, max: 0.01, noNaN: true }),
      meanBuildMs: fc.option(fc.integer({ min: 1, max: 60 * minute })),
      queued: fc.nat(5_000),
      running: fc.nat(500),
      targetWaitMs: fc.integer({ min: 1, max: 60 * minute }),
    });
    fc.assert(
      fc.property(loads, (facts) => {
        const wanted = workersWanted(facts);
        const steady = facts.arrivalsPerMs * (facts.meanBuildMs ?? 0);
        expect(Number.isSafeInteger(wanted)).toBe(true);
        expect(wanted).toBeGreaterThanOrEqual(facts.running);
        expect(wanted).toBeLessThanOrEqual(Math.max(Math.ceil(steady), facts.queued + facts.running));
        expect(workersWanted({ ...facts, queued: facts.queued + 1 })).toBeGreaterThanOrEqual(wanted);
        expect(workersWanted({ ...facts, arrivalsPerMs: facts.arrivalsPerMs * 2 })).toBeGreaterThanOrEqual(wanted);
        expect(workersWanted({ ...facts, targetWaitMs: facts.targetWaitMs * 2 })).toBeLessThanOrEqual(wanted);
      }),
    );
  });
});

const worker = (labels: Labels, state: WorkerState = 'IDLE', job: WorkerView['job'] = null): WorkerView => ({
  name: 'w',
  labels,
  place: 'host:/data',
  version: '1',
  state,
  startedAt: new Date(0),
  lastSeenAt: new Date(0),
  drainingSince: null,
  drainedBy: null,
  job,
});

describe('why no worker will take a job', () => {
  const [plain, gpu] = [worker({ os: 'linux' }), worker({ os: 'linux', gpu: 'a100' })];
  it.each<[Labels, WorkerView[], string | null]>([
    [{}, [], 'no worker is alive'],
    [{}, [plain], null],
    [{ gpu: 'a100' }, [plain, gpu], null],
    [{ gpu: 'a100' }, [plain], 'no living worker has gpu=a100'],
    [{ gpu: 'h100', os: 'linux' }, [plain, gpu], 'no living worker has gpu=h100'],
    [{ toString: 'x' }, [plain], 'no living worker has toString=x'],
    [{ gpu: 'a100', os: 'mac' }, [gpu, worker({ os: 'mac' })], 'no living worker has all of gpu=a100,os=mac'],
    [{ gpu: 'a100' }, [plain, worker(gpu.labels, 'DRAINING')], 'every living worker with gpu=a100 is draining'],
    [{}, [worker({}, 'DRAINING')], 'every living worker is draining'],
  ])('%j', (labels, alive, expected) => {
    expect(whyUnclaimable(labels, alive)).toBe(expected);
  });
});

describe('the signal', () => {
  const demand = (more: Partial<Demand>): Demand => ({
    project: 'shop',
    labels: {},
    queued: 0,
    running: 0,
    oldestWaitMs: null,
    arrivals: 0,
    built: { jobs: 10, ms: 10 * minute },
    maxConcurrent: null,
    ...more,
  });
  const signalOf = (demands: Demand[], workers: WorkerView[] = [worker({})]) =>
    queueSignal(demands, workers, { targetWaitMs: minute, windowMs: 15 * minute });

  it('adds up what jobs with the same labels want, and counts those that nobody will take', () => {
    const signal = signalOf(
      [
        demand({ queued: 2, oldestWaitMs: 9_000, running: 1 }),
        demand({ project: 'blog', queued: 1, oldestWaitMs: 30_000 }),
        demand({ project: 'model', labels: { gpu: 'a100' }, queued: 4, oldestWaitMs: 70_000 }),
      ],
      [
        worker({ os: 'linux' }, 'BUSY', {} as WorkerView['job']),
        worker({}, 'SILENT'),
        worker({ gpu: 'a100' }, 'REVOKED'),
      ],
    );
    expect(signal).toMatchObject({
      queued: 7,
      running: 1,
      oldestWaitMs: 70_000,
      unclaimable: 4,
      workersAlive: 1,
      workersBusy: 1,
      workersDraining: 0,
      meanBuildMs: minute,
      workersWanted: 7,
    });
    expect(signal.byLabels).toMatchObject([
      { labels: {}, queued: 3, running: 1, oldestWaitMs: 30_000, workersAlive: 1, unclaimableBecause: null },
      {
        labels: { gpu: 'a100' },
        queued: 4,
        workersWanted: 4,
        workersAlive: 0,
        unclaimableBecause: 'no living worker has gpu=a100',
      },
    ]);
  });

  it('wants no workers for jobs that their project holds back', () => {
    const limited = demand({ queued: 10, running: 1, oldestWaitMs: 80_000, maxConcurrent: 2, arrivals: 150 });
    expect(signalOf([limited])).toMatchObject({ queued: 1, heldBack: 9, running: 1, workersWanted: 2 });
    expect(signalOf([{ ...limited, running: 2 }])).toMatchObject({
      queued: 0,
      heldBack: 10,
      oldestWaitMs: null,
      workersWanted: 2,
    });
  });

  it('takes the duration from the project, else from all', () => {
    const slow = demand({ project: 'slow', arrivals: 15, built: { jobs: 1, ms: 5 * minute } });
    const fresh = demand({ project: 'fresh', arrivals: 15, built: { jobs: 0, ms: 0 } });
    expect(signalOf([slow])).toMatchObject({ arrivalsPerHour: 60, workersWanted: 5 });
    expect(signalOf([slow, fresh])).toMatchObject({ workersWanted: 10, meanBuildMs: 5 * minute });
    expect(signalOf([fresh])).toMatchObject({ workersWanted: 0, meanBuildMs: null });
  });

  it('is all zero where nothing is', () => {
    expect(signalOf([], [])).toMatchObject({
      queued: 0,
      workersWanted: 0,
      unclaimable: 0,
      oldestWaitMs: null,
      byLabels: [],
    });
  });
});
