import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createDatabase, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import { connect, type Database, disconnect } from '@starling/server/db/connect.ts';
import { migrateToLatest } from '@starling/server/db/migrate.ts';
import { foldHubReport } from '@starling/server/fleet/fold-hub-report.ts';
import type { HubReport } from '@starling/shared/hub-protocol.ts';

// 100,000 machines' reports folded into the database by the very function that control uses, as hubs send them (5,000 at a
// time), and one by one for comparison. Durable: fsync and synchronous_commit are on.

export async function run(commandLine: string[]): Promise<void> {
  const { values } = parseArgs({
    args: commandLine,
    options: { machines: { type: 'string', default: '100000' }, rounds: { type: 'string', default: '3' } },
  });
  const machines = Number(values.machines);
  const folder = await mkdtemp(join(tmpdir(), 'starling-bench-'));
  await chmod(folder, 0o711);
  const server = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  try {
    await createDatabase(server, 'starling');
    await migrateToLatest(server.urlOf('starling'));
    const database = connect(server.urlOf('starling'), { applicationName: 'bench', maxConnections: 8 });
    await database.$client`insert into regions (name, position) values ('eu', 0), ('us', 1)`;
    let sequence = 0;
    const rows: { what: string; 'reports a second': number; 'seconds for all': number }[] = [];
    const measure = async (
      what: string,
      count: number,
      size: number,
      lanes: number,
      kind: 'first' | 'alive' | 'report',
    ) => {
      const rates: number[] = [];
      for (let round = 0; round < (kind === 'first' ? 1 : Number(values.rounds)); round += 1) {
        sequence += 1;
        rates.push(count / (await fold(database, { count, size, lanes, sequence, kind })));
      }
      const rate = rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)]!;
      rows.push({
        what,
        'reports a second': Math.round(rate),
        'seconds for all': Number((machines / rate).toFixed(1)),
      });
      return Math.round(rate);
    };
    await measure('machines seen for the first time, 5,000 at a time', machines, 5_000, 2, 'first');
    const alive = await measure('"still there", 5,000 at a time', machines, 5_000, 2, 'alive');
    const batched = await measure('reports of a deployment, 5,000 at a time', machines, 5_000, 2, 'report');
    const thousand = await measure('reports of a deployment, 1,000 at a time', machines, 1_000, 2, 'report');
    const single = await measure(
      'reports of a deployment, one by one, 8 at once',
      Math.min(machines, 4_000),
      1,
      8,
      'report',
    );
    await disconnect(database);
    console.table(rows);
    process.stdout.write(
      `${JSON.stringify({ bench: 'heartbeats', machines, alive_per_second: alive, batched_per_second: batched, by_thousand_per_second: thousand, one_by_one_per_second: single, ratio_batched_to_one_by_one: Number((batched / single).toFixed(1)) })}\n`,
    );
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Fold {
  count: number;
  size: number;
  lanes: number;
  sequence: number;
  kind: 'first' | 'alive' | 'report';
}

/** Seconds it takes. */
async function fold(database: Database, { count, size, lanes, sequence, kind }: Fold): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (next < count) {
        const from = next;
        next += size;
        await foldHubReport(database, reportOf(from, Math.min(size, count - from), sequence, kind));
      }
    }),
  );
  return (performance.now() - startedAt) / 1_000;
}

function reportOf(from: number, size: number, sequence: number, kind: Fold['kind']): HubReport {
  const names = Array.from({ length: size }, (_, index) => `machine-${String(from + index).padStart(6, '0')}`);
  return {
    hub: 'hub-1',
    region: 'eu',
    machines:
      kind === 'report'
        ? []
        : names.map((machine) => ({
            machine,
            labels: { rack: 'r1' },
            agentVersion: '0.1.0',
            address: '10.0.0.1:7000',
            connected: true,
          })),
    reports:
      kind === 'report'
        ? names.map((machine) => ({
            machine,
            sequence,
            at: 0,
            project: 'shop',
            step: 'FETCHING' as const,
            observedBuild: 'shop@0123456789ab',
            desiredBuild: 'shop@0123456789ac',
            deployment: 1,
            detail: '',
          }))
        : [],
    progress: [],
  };
}
