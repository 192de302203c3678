import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { type Contender, type ContenderOptions, timeLanes } from './contender.ts';

// pg-boss through `send`, `insert`, `fetch` and `complete`: its `work` adds at least half a second of polling between
// jobs, which would measure the timer. Its maintenance is off while it is measured.

const queue = 'build';

export async function openPgBoss({ host, database, connections, batch }: ContenderOptions): Promise<Contender> {
  const pool = new pg.Pool({ host, database, user: 'starling', max: connections });
  // Said while the server is shut down, when the pool is not needed any more.
  pool.on('error', () => {});
  const boss = new PgBoss({
    db: { executeSql: (text: string, values?: unknown[]) => pool.query(text, values) },
    supervise: false,
    schedule: false,
    migrate: true,
  });
  boss.on('error', () => {});
  await boss.start();
  await boss.createQueue(queue);
  return {
    reset: async () => {
      await boss.deleteAllJobs(queue);
      await pool.query('truncate pgboss.job cascade');
    },
    enqueue: (count, workers, mode) => {
      let left = count;
      return timeLanes(workers, async () => {
        if (left <= 0) return false;
        const some = mode === 'one' ? 1 : Math.min(left, batch);
        left -= some;
        if (mode === 'one') await boss.send(queue, payloadOf(left));
        else
          await boss.insert(
            queue,
            Array.from({ length: some }, (_, at) => ({ data: payloadOf(left + at) })),
          );
        return true;
      });
    },
    work: (_count, workers, mode) =>
      timeLanes(workers, async () => {
        const jobs = await boss.fetch(queue, { batchSize: mode === 'one' ? 1 : batch, includeMetadata: false });
        if (jobs.length === 0) return false;
        await boss.complete(
          queue,
          jobs.map(({ id }) => id),
        );
        return true;
      }),
    completed: async () => {
      const { rows } = await pool.query<{ left: number }>(
        "select count(*)::int as left from pgboss.job where state <> 'completed'",
      );
      return -rows[0]!.left;
    },
    close: async () => {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
}

const payloadOf = (number: number) => ({ project: `project-${number % 16}`, commit: number });
