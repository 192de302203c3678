import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import type { Database } from '../db/connect.ts';
import type { ReplicaState } from '../db/reader.ts';
import type { Logger } from '../lib/log.ts';
import { labelsText } from '../workers/labels.ts';
import { listWorkers, workerStates } from '../workers/list.ts';
import { queueStatus } from '../workers/queue-status.ts';
import { durationBounds, type EndedJobs, EndedJobsCounter } from './ended-jobs.ts';
import { SwarmMetrics } from './swarm-metrics.ts';

// What is measured of all of Starling comes from the database, so that it does not matter which server is asked.

export interface Metrics {
  /** All metrics in the text format of Prometheus. Never throws: without the database, what this process knows. */
  read(): Promise<{ contentType: string; text: string }>;
}

export interface MetricsOptions {
  database: Database;
  /** Undefined where there is no replica. */
  replica?: () => ReplicaState | undefined;
  targetWaitMs: number;
  log: Logger;
  /** How long after its end a job is counted, in milliseconds. */
  endedLagMs?: number;
}

export function openMetrics({ database, replica, targetWaitMs, log, endedLagMs }: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const depth = gauge('starling_queue_depth', 'Jobs that wait for a worker.');
  const heldBack = gauge('starling_queue_held_back', 'Jobs that wait because their project may not run more at once.');
  const unclaimable = gauge('starling_queue_unclaimable', 'Jobs that wait and that no living worker will take.');
  const oldestWait = gauge('starling_queue_oldest_wait_seconds', 'How long the first job has waited for a worker.');
  const wanted = gauge('starling_workers_wanted', 'How many workers there should be for the target wait.');
  const poolDepth = gauge('starling_pool_queue_depth', 'Waiting jobs, by the labels they ask for.', ['requires']);
  const poolWanted = gauge('starling_pool_workers_wanted', 'Workers that should have these labels.', ['requires']);
  const poolAlive = gauge('starling_pool_workers_alive', 'Living workers that have these labels.', ['requires']);
  const workers = gauge('starling_workers', 'Workers by state.', ['state']);
  const jobs = gauge('starling_jobs', 'Jobs that are not over, by status.', ['status']);
  const reached = gauge('starling_database_reached', '1 when the database answered, else 0.');
  const replicaInUse = gauge('starling_replica_in_use', '1 when this server reads from the replica, else 0.');
  const replicaLag = gauge('starling_replica_lag_seconds', 'How far the replica is behind, seen from this server.');
  const ended = new Counter({
    name: 'starling_jobs_ended_total',
    help: 'Jobs that ended, by status.',
    labelNames: ['status'],
    registers: [registry],
  });
  const durations = new BuildDurations();
  // It has what the registry asks a metric for, which is less than the type says.
  registry.registerMetric(durations as unknown as Metric);
  const endedJobs = new EndedJobsCounter(database, endedLagMs);
  const swarms = new SwarmMetrics(registry);
  const single = [depth, heldBack, unclaimable, oldestWait, wanted];
  const byLabel = [poolDepth, poolWanted, poolAlive, workers, jobs, ended];
  let reading: ReturnType<Metrics['read']> | undefined;
  return {
    // Those who ask at the same time get the same answer: the values are kept in one place.
    read: () => {
      reading ??= read().finally(() => {
        reading = undefined;
      });
      return reading;
    },
  };

  async function read() {
    for (const metric of [...single, ...byLabel, swarms]) metric.reset();
    try {
      await collect();
      reached.set(1);
    } catch (thrown) {
      log.warn({ err: thrown }, 'metrics: the database did not answer');
      // What is not known is left out: nothing of it is to be taken for a zero.
      for (const metric of [...byLabel, swarms]) metric.reset();
      for (const metric of single) metric.remove();
      reached.set(0);
    }
    readReplica();
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  function readReplica(): void {
    const state = replica?.();
    replicaInUse.remove();
    replicaLag.remove();
    if (!state) return;
    replicaInUse.set(state.status === 'in use' ? 1 : 0);
    if (state.lagMs !== null) replicaLag.set(state.lagMs / 1_000);
  }

  async function collect(): Promise<void> {
    const [status, everyWorker, counts] = await Promise.all([
      queueStatus(database, { targetWaitMs }),
      listWorkers(database),
      endedJobs.read(),
      swarms.collect(database),
    ]);
    depth.set(status.queued);
    heldBack.set(status.heldBack);
    unclaimable.set(status.unclaimable);
    oldestWait.set((status.oldestWaitMs ?? 0) / 1_000);
    wanted.set(status.workersWanted);
    for (const pool of status.byLabels) {
      const requires = labelsText(pool.labels);
      poolDepth.set({ requires }, pool.queued);
      poolWanted.set({ requires }, pool.workersWanted);
      poolAlive.set({ requires }, pool.workersAlive);
    }
    for (const state of workerStates) {
      // One that ended in order is nobody's concern any more.
      if (state === 'STOPPED') continue;
      workers.set({ state: state.toLowerCase() }, everyWorker.filter((worker) => worker.state === state).length);
    }
    jobs.set({ status: 'QUEUED' }, status.queued + status.heldBack);
    jobs.set({ status: 'RUNNING' }, status.running);
    for (const [jobStatus, count] of counts.ended) ended.inc({ status: jobStatus }, count);
    durations.show(counts.durations);
  }
}

/** A histogram whose observations are in the database; prom-client's own counts only what this process has seen. */
class BuildDurations {
  readonly name = 'starling_build_duration_seconds';
  readonly help = 'How long the last attempts of jobs took, by how they ended.';
  readonly type = 'histogram';
  #durations: EndedJobs['durations'] = new Map();

  show(durations: EndedJobs['durations']): void {
    this.#durations = durations;
  }

  async get() {
    const values = [...this.#durations].flatMap(([status, { buckets, seconds }]) => {
      let sofar = 0;
      const cumulative = buckets.map((count, index) => {
        sofar += count;
        const le = durationBounds[index] ?? '+Inf';
        return { metricName: `${this.name}_bucket`, labels: { le, status }, value: sofar };
      });
      return [
        ...cumulative,
        { metricName: `${this.name}_sum`, labels: { status }, value: seconds },
        { metricName: `${this.name}_count`, labels: { status }, value: sofar },
      ];
    });
    return { name: this.name, help: this.help, type: this.type, values, aggregator: 'sum' };
  }
}
