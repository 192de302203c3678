import type { Clock } from '@starling/shared/clock.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';

/** What the monitor needs of the queue. */
export interface StaleJobs {
  requeueStale(staleMs: number): Promise<{ id: number; status: string }[]>;
  failOverdue(): Promise<{ id: number }[]>;
  failUnclaimed(maxWaitMs: number): Promise<{ id: number }[]>;
  /** Clears away what is only kept of jobs that have not ended. */
  forgetEnded(): Promise<unknown>;
}

export interface MonitorOptions {
  jobs: StaleJobs;
  /** Silence after which a worker counts as dead. */
  staleMs: number;
  /** The longest a job may wait for a worker. */
  maxWaitMs: number;
  everyMs: number;
  clock: Clock;
  log: Logger;
}

/** The loop that sees to it that every job ends: it puts back what a dead worker held and ends what hangs. */
export function startMonitor({ jobs, staleMs, maxWaitMs, everyMs, clock, log }: MonitorOptions): Loop {
  return new Loop({
    name: 'monitor',
    everyMs,
    clock,
    log,
    pass: async () => {
      for (const job of await jobs.failOverdue()) log.warn(`job ${job.id} was over its deadline and is FAILED`);
      for (const job of await jobs.requeueStale(staleMs))
        log.warn(`job ${job.id} lost its worker and is ${job.status}`);
      for (const job of await jobs.failUnclaimed(maxWaitMs)) log.warn(`job ${job.id} found no worker and is FAILED`);
      await jobs.forgetEnded();
    },
  }).start();
}
