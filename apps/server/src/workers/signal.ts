import { type Labels, labelsText, satisfies } from './labels.ts';
import type { WorkerView } from './list.ts';

// How many workers there should be, from what the tables say. Pure, so that every server comes to the same answer.

/** The jobs of one project that ask for the same labels. */
export interface Demand {
  project: string;
  /** What they ask of a worker. */
  labels: Labels;
  queued: number;
  running: number;
  /** How long the first of those that wait has waited, in milliseconds; null when none waits. */
  oldestWaitMs: number | null;
  /** How many were asked for within `windowMs`. */
  arrivals: number;
  /** Of those that ended recently: how many, and how long their last attempts took in all, in milliseconds. */
  built: { jobs: number; ms: number };
  /** How many of the project may run at once; null is no limit. */
  maxConcurrent: number | null;
}

export interface SignalOptions {
  /** How long a job should wait for a worker at most, in milliseconds. */
  targetWaitMs: number;
  /** Over which time arrivals were counted, in milliseconds. */
  windowMs: number;
}

/** What the jobs that ask for the same labels, or all jobs, want. */
export interface Pool {
  /** Waiting for a worker, without those that their project's limit holds back. */
  queued: number;
  /** Waiting for another job of their project to end, because it may not run more at once. */
  heldBack: number;
  running: number;
  /** How long the first job that could run has waited, in milliseconds; null when there is none. */
  oldestWaitMs: number | null;
  arrivalsPerHour: number;
  /** Null when nothing was built recently. */
  meanBuildMs: number | null;
  workersWanted: number;
}

export interface LabelPool extends Pool {
  labels: Labels;
  /** Living workers that are not shut out and have the labels, draining ones too. */
  workersAlive: number;
  /** Why no worker will take the jobs that wait, in a sentence; null when one will. */
  unclaimableBecause: string | null;
}

export interface QueueSignal extends Pool {
  /** Jobs that wait and that no worker will take as things are. */
  unclaimable: number;
  workersAlive: number;
  /** Those that build something; one that drains may be among them. */
  workersBusy: number;
  workersDraining: number;
  targetWaitMs: number;
  /** By what jobs ask of a worker; those that ask for nothing first. */
  byLabels: LabelPool[];
}

export interface Load {
  /** Jobs that are asked for, in jobs a millisecond. */
  arrivalsPerMs: number;
  /** How long one takes, in milliseconds; null when nothing is known. */
  meanBuildMs: number | null;
  queued: number;
  running: number;
  targetWaitMs: number;
}

/**
 * How many workers a load keeps busy, not rounded: `steady` for what arrives, `extra` for what has piled up.
 *
 * By Little's law (L = λW; J. D. C. Little, "A Proof for the Queuing Formula: L = λW", Operations Research 9, 1961) jobs
 * that arrive at the rate λ and take W each are being built L = λW at a time: so many workers keep up. A backlog of B is to
 * be begun within the target wait T, which asks for B/T jobs a millisecond more, hence (λ + B/T)·W workers. No job
 * keeps more than one worker busy, so its part of the backlog counts for W/T of a worker, but at most for one; for a
 * whole one while W is unknown.
 */
export function workersFor({ arrivalsPerMs, meanBuildMs, queued, targetWaitMs }: Load): {
  steady: number;
  extra: number;
} {
  if (meanBuildMs === null) return { steady: 0, extra: queued };
  const share = targetWaitMs > 0 ? Math.min(1, meanBuildMs / targetWaitMs) : 1;
  return { steady: arrivalsPerMs * meanBuildMs, extra: queued * share };
}

/**
 * The whole number of workers that are wanted: steady and extra, never fewer than run something now (those are not to
 * be taken away), and never more than there are jobs, unless what arrives keeps more busy.
 */
export function workersWanted(load: Load): number {
  const { steady, extra } = workersFor(load);
  return wholeWorkers({ steady, extra, queued: load.queued, running: load.running });
}

function wholeWorkers(parts: { steady: number; extra: number; queued: number; running: number }): number {
  const { steady, extra, queued, running } = parts;
  const wanted = Math.max(roundUp(steady + extra), running);
  return Math.min(wanted, Math.max(roundUp(steady), queued + running));
}

/** Up to the next whole number, but for what only the arithmetic of fractions has left over. */
const roundUp = (value: number) => Math.ceil(value - 1e-9);

/** The whole signal. */
export function queueSignal(
  demands: readonly Demand[],
  workers: readonly WorkerView[],
  { targetWaitMs, windowMs }: SignalOptions,
): QueueSignal {
  const usable = workers.filter(({ state }) => state === 'IDLE' || state === 'BUSY' || state === 'DRAINING');
  const parts = share(demands, { targetWaitMs, windowMs });
  const byText = Map.groupBy(parts, ({ demand }) => labelsText(demand.labels));
  const byLabels = [...byText.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, own]): LabelPool => {
      const labels = own[0]!.demand.labels;
      const pool = poolOf(own, windowMs);
      const able = usable.filter((worker) => satisfies(worker.labels, labels));
      const waits = pool.queued + pool.heldBack > 0;
      const unclaimableBecause = waits ? whyUnclaimable(labels, usable) : null;
      return { labels, ...pool, workersAlive: able.length, unclaimableBecause };
    });
  return {
    ...poolOf(parts, windowMs),
    unclaimable: byLabels.reduce(
      (sum, pool) => sum + (pool.unclaimableBecause === null ? 0 : pool.queued + pool.heldBack),
      0,
    ),
    workersAlive: usable.length,
    workersBusy: usable.filter(({ job }) => job !== null).length,
    workersDraining: usable.filter(({ state }) => state === 'DRAINING').length,
    targetWaitMs,
    byLabels,
  };
}

/** Why none of these living workers will take a job that asks for `labels`; null when one will. */
export function whyUnclaimable(labels: Labels, alive: readonly Pick<WorkerView, 'labels' | 'state'>[]): string | null {
  if (alive.length === 0) return 'no worker is alive';
  const able = alive.filter((worker) => satisfies(worker.labels, labels));
  if (able.some(({ state }) => state !== 'DRAINING')) return null;
  const text = labelsText(labels);
  if (able.length > 0) return `every living worker${text === '' ? '' : ` with ${text}`} is draining`;
  const missing = Object.entries(labels).filter(
    ([name, value]) => !alive.some((worker) => satisfies(worker.labels, { [name]: value })),
  );
  return missing.length > 0
    ? `no living worker has ${labelsText(Object.fromEntries(missing))}`
    : `no living worker has all of ${text}`;
}

interface Part {
  demand: Demand;
  claimable: number;
  heldBack: number;
  steady: number;
  extra: number;
}

/** Splits what waits into what could run now and what its project's limit holds back; the limit binds the load too. */
function share(demands: readonly Demand[], { targetWaitMs, windowMs }: SignalOptions): Part[] {
  const meanOfAll = meanOf(demands);
  const byProject = Map.groupBy(demands, ({ project }) => project);
  return [...byProject.values()].flatMap((own) => {
    const limit = own[0]!.maxConcurrent ?? Number.POSITIVE_INFINITY;
    let room = Math.max(0, limit - own.reduce((sum, { running }) => sum + running, 0));
    const oldestFirst = own.toSorted((a, b) => (b.oldestWaitMs ?? -1) - (a.oldestWaitMs ?? -1));
    const parts = oldestFirst.map((demand): Part => {
      const claimable = Math.min(demand.queued, room);
      room -= claimable;
      const meanBuildMs = meanOf([demand]) ?? meanOf(own) ?? meanOfAll;
      const load = { arrivalsPerMs: demand.arrivals / windowMs, meanBuildMs, queued: claimable, targetWaitMs };
      return {
        demand,
        claimable,
        heldBack: demand.queued - claimable,
        ...workersFor({ ...load, running: demand.running }),
      };
    });
    const steady = parts.reduce((sum, part) => sum + part.steady, 0);
    const bound = steady > limit ? limit / steady : 1;
    return parts.map((part) => ({ ...part, steady: part.steady * bound }));
  });
}

function poolOf(parts: readonly Part[], windowMs: number): Pool {
  const sum = (of: (part: Part) => number) => parts.reduce((total, part) => total + of(part), 0);
  const [queued, running] = [sum((part) => part.claimable), sum((part) => part.demand.running)];
  const waits = parts.flatMap(({ claimable, demand }) => (claimable > 0 ? [demand.oldestWaitMs ?? 0] : []));
  return {
    queued,
    heldBack: sum((part) => part.heldBack),
    running,
    oldestWaitMs: waits.length > 0 ? Math.max(...waits) : null,
    arrivalsPerHour: (sum((part) => part.demand.arrivals) * 3_600_000) / windowMs,
    meanBuildMs: meanOf(parts.map(({ demand }) => demand)),
    workersWanted: wholeWorkers({
      steady: sum((part) => part.steady),
      extra: sum((part) => part.extra),
      queued,
      running,
    }),
  };
}

function meanOf(demands: readonly Demand[]): number | null {
  const jobs = demands.reduce((sum, { built }) => sum + built.jobs, 0);
  return jobs === 0 ? null : demands.reduce((sum, { built }) => sum + built.ms, 0) / jobs;
}
