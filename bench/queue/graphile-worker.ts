import { EventEmitter } from 'node:events';
import { Logger, makeWorkerUtils, runOnce, type WorkerEvents } from 'graphile-worker';
import pg from 'pg';
import { type Contender, type ContenderOptions, type Mode, timeLanes } from './contender.ts';

// graphile-worker through its own API: `addJob` and `addJobs` to enqueue, `runOnce` to work until the queue is empty.
// Batched means its local queue and its batched completions, as its documentation on performance advises.

const silent = new Logger(() => () => {});

export async function openGraphileWorker({ host, database, connections, batch }: ContenderOptions): Promise<Contender> {
  const pool = new pg.Pool({ host, database, user: 'starling', max: connections });
  // Said while the server is shut down, when the pool is not needed any more.
  pool.on('error', () => {});
  const utils = await makeWorkerUtils({ pgPool: pool, logger: silent });
  await utils.migrate();
  await warm(pool, connections);
  return {
    reset: async () => {
      await pool.query('truncate graphile_worker._private_jobs');
    },
    enqueue: (count, workers, mode) => {
      let left = count;
      return timeLanes(workers, async () => {
        if (left <= 0) return false;
        const some = mode === 'one' ? 1 : Math.min(left, batch);
        left -= some;
        if (mode === 'one') await utils.addJob('build', payloadOf(left));
        else {
          await utils.addJobs(
            Array.from({ length: some }, (_, at) => ({ identifier: 'build', payload: payloadOf(left + at) })),
          );
        }
        return true;
      });
    },
    work: async (count, workers, mode) => {
      const events = new EventEmitter() as WorkerEvents;
      let startedAt = 0;
      const begin = () => {
        if (startedAt === 0) startedAt = performance.now();
      };
      // Starting up and shutting down are not counted.
      events.on('worker:getJob:start', begin);
      events.on('localQueue:init', begin);
      let worked = 0;
      await runOnce({
        pgPool: pool,
        logger: silent,
        events,
        noHandleSignals: true,
        taskList: {
          build: () => {
            worked += 1;
          },
        },
        preset: { worker: presetOf(workers, mode, batch) },
      });
      if (worked !== count) throw new Error(`graphile-worker ran ${worked} of ${count} jobs`);
      return performance.now() - startedAt;
    },
    completed: async () => {
      const { rows } = await pool.query<{ left: number }>(
        'select count(*)::int as left from graphile_worker._private_jobs',
      );
      return -rows[0]!.left;
    },
    close: async () => {
      await utils.release();
      await pool.end();
    },
  };
}

function presetOf(workers: number, mode: Mode, batch: number) {
  const both = { concurrentJobs: workers, preparedStatements: true };
  if (mode === 'one') return both;
  return { ...both, localQueue: { size: Math.max(batch, workers) }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
}

const payloadOf = (number: number) => ({ project: `project-${number % 16}`, commit: number });

async function warm(pool: pg.Pool, connections: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: connections }, () => pool.connect()));
  for (const client of clients) client.release();
}
