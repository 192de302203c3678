import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createDatabase, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import { connect, disconnect } from '@starling/server/db/connect.ts';
import { migrateToLatest } from '@starling/server/db/migrate.ts';
import { type Contender, type Mode, type System, systems } from './queue/contender.ts';
import { openGraphileWorker } from './queue/graphile-worker.ts';
import { openPgBoss } from './queue/pg-boss.ts';
import { openStarling } from './queue/starling.ts';

// Jobs enqueued, and claimed with heartbeat and completed, a second: Starling's queue beside graphile-worker and pg-boss on
// one PostgreSQL, durable (fsync and synchronous_commit are on), each with a database of its own and its best settings. The
// systems take turns within a round, in another order each round; the median of the rounds counts.

const workerCounts = [1, 4, 16, 64];
const batch = 500;

interface Sample {
  enqueued: number;
  worked: number;
}

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: {
      rounds: { type: 'string', default: '3' },
      jobs: { type: 'string', default: '4000' },
      'batched-jobs': { type: 'string', default: '60000' },
      /** `one` leaves the batched half out. */
      only: { type: 'string' },
    },
  });
  const folder = await mkdtemp(join(tmpdir(), 'starling-bench-'));
  await chmod(folder, 0o711);
  const server = await startEmbeddedPostgres({
    folder: join(folder, 'postgres'),
    settings: { max_connections: '200' },
  });
  const contenders = new Map<System, Contender>();
  try {
    const host = new URL(server.urlOf('postgres')).searchParams.get('host')!;
    const open = { starling: openStarling, 'graphile-worker': openGraphileWorker, 'pg-boss': openPgBoss };
    for (const system of systems) {
      const database = system.replaceAll('-', '_');
      await createDatabase(server, database);
      if (system === 'starling') await migrateToLatest(server.urlOf(database));
      contenders.set(system, await open[system]({ host, database, connections: 20, batch }));
    }
    const samples = new Map<string, Sample[]>();
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const mode of ['one', 'batched'] as const) {
        const jobs = Number(mode === 'one' ? values.jobs : values['batched-jobs']);
        for (const workers of mode === 'batched' && values.only === 'one' ? [] : workerCounts) {
          for (const system of rotated(systems, round)) {
            const analyze = () => vacuumAnalyze(server.urlOf(system.replaceAll('-', '_')));
            const sample = await measure(contenders.get(system)!, jobs, workers, mode, analyze);
            const key = `${mode} ${workers} ${system}`;
            samples.set(key, [...(samples.get(key) ?? []), sample]);
            process.stderr.write(
              `round ${round + 1}, ${key}: ${sample.enqueued} enqueued/s, ${sample.worked} worked/s\n`,
            );
          }
        }
      }
    }
    report(samples);
  } finally {
    for (const contender of contenders.values()) await contender.close().catch(() => {});
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What autovacuum does within a minute; a queue that is in use has it behind it. */
async function vacuumAnalyze(url: string): Promise<void> {
  const database = connect(url, { applicationName: 'bench', maxConnections: 1 });
  await database.$client.unsafe('vacuum analyze');
  await disconnect(database);
}

async function measure(
  contender: Contender,
  jobs: number,
  workers: number,
  mode: Mode,
  analyze: () => Promise<void>,
): Promise<Sample> {
  await contender.reset();
  const enqueueMs = await contender.enqueue(jobs, workers, mode);
  await analyze();
  const workMs = await contender.work(jobs, workers, mode);
  // A peer's last completion may still be on its way when it says that it is done.
  let left = -(await contender.completed());
  for (const until = Date.now() + 10_000; left !== 0 && Date.now() < until; left = -(await contender.completed()));
  if (left !== 0) throw new Error(`${left} of ${jobs} jobs were not completed`);
  const rate = (ms: number) => Math.round((jobs / ms) * 1_000);
  return { enqueued: rate(enqueueMs), worked: rate(workMs) };
}

const rotated = <T>(items: readonly T[], by: number): T[] =>
  items.map((_, index) => items[(index + by) % items.length] as T);

function report(samples: Map<string, Sample[]>): void {
  const median = (key: string, field: keyof Sample) => {
    const sorted = (samples.get(key) ?? []).map((sample) => sample[field]).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  };
  const of = (mode: Mode, field: keyof Sample) => {
    const rates: Record<string, Record<System, number>> = {};
    const ratio: Record<string, number> = {};
    for (const workers of workerCounts) {
      const found = Object.fromEntries(
        systems.map((system) => [system, median(`${mode} ${workers} ${system}`, field)]),
      ) as Record<System, number>;
      rates[workers] = found;
      ratio[workers] = Number((found.starling / Math.max(found['graphile-worker'], found['pg-boss'])).toFixed(2));
    }
    return { rates, ratio };
  };
  const [one, batched] = [of('one', 'worked'), of('batched', 'worked')];
  const [oneIn, batchedIn] = [of('one', 'enqueued'), of('batched', 'enqueued')];
  const wholeOf = (into: ReturnType<typeof of>, through: ReturnType<typeof of>) =>
    Object.fromEntries(
      workerCounts.map((workers) => {
        const whole = (system: System) => 1 / (1 / into.rates[workers]![system] + 1 / through.rates[workers]![system]);
        const best = Math.max(whole('graphile-worker'), whole('pg-boss'));
        return [workers, Number((whole('starling') / best).toFixed(2))];
      }),
    );
  for (const [title, { rates, ratio }] of [
    ['claimed with heartbeat and completed a second, one at a time', one],
    [`claimed with heartbeat and completed a second, batches of ${batch}`, batched],
    ['enqueued a second, one at a time', oneIn],
    [`enqueued a second, batches of ${batch}`, batchedIn],
  ] as const) {
    process.stdout.write(`${title}\n`);
    console.table(
      workerCounts.map((workers) => ({ workers, ...rates[workers], 'ratio to the best peer': ratio[workers] })),
    );
  }
  const result = {
    bench: 'queue',
    ratio_vs_best_peer: one.ratio,
    batched: batched.ratio,
    /** From the first enqueued to the last completed. */
    whole: { one: wholeOf(oneIn, one), batched: wholeOf(batchedIn, batched) },
    enqueue_ratio_vs_best_peer: oneIn.ratio,
    enqueue_batched: batchedIn.ratio,
    jobs_per_second: {
      one: one.rates,
      batched: batched.rates,
      enqueue_one: oneIn.rates,
      enqueue_batched: batchedIn.rates,
    },
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
