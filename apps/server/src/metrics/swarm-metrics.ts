import { byteSources, type SwarmView } from '@starling/shared/swarm-view.ts';
import { sql } from 'drizzle-orm';
import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../db/connect.ts';

/** Where bytes move now: of the deployments that run, as the hubs of each region last said. */
export class SwarmMetrics {
  readonly #machines: Gauge<'project' | 'region' | 'state'>;
  readonly #rate: Gauge<'project' | 'region'>;
  readonly #bytes: Gauge<'project' | 'region' | 'source'>;
  readonly #wrong: Gauge<'project' | 'region'>;
  readonly #slow: Gauge<'project' | 'region' | 'reason'>;

  constructor(registry: Registry) {
    const gauge = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
      new Gauge({ name, help, labelNames, registers: [registry] });
    this.#machines = gauge('starling_swarm_machines', 'Machines of running deployments that fetch, or have all.', [
      ...(['project', 'region', 'state'] as const),
    ]);
    this.#rate = gauge('starling_swarm_bytes_per_second', 'What machines of running deployments fetch now.', [
      ...(['project', 'region'] as const),
    ]);
    this.#bytes = gauge('starling_swarm_bytes', 'Where the bytes of running deployments came from so far.', [
      ...(['project', 'region', 'source'] as const),
    ]);
    this.#wrong = gauge('starling_swarm_wrong_pieces', 'Pieces that came with wrong bytes in running deployments.', [
      ...(['project', 'region'] as const),
    ]);
    this.#slow = gauge('starling_swarm_slow_machines', 'Of the slowest machines a hub names, how many for a reason.', [
      ...(['project', 'region', 'reason'] as const),
    ]);
  }

  reset(): void {
    for (const gauge of [this.#machines, this.#rate, this.#bytes, this.#wrong, this.#slow]) gauge.reset();
  }

  async collect(database: Database): Promise<void> {
    const rows = (await database.execute(sql`
      select v.region, v.view from swarm_views v
      join deployments d on d.id = v.deployment and d.status = 'RUNNING'`)) as unknown as {
      region: string;
      view: SwarmView;
    }[];
    for (const { region, view } of rows) {
      const of = { project: view.project, region };
      const complete = view.shares.at(-1) ?? 0;
      this.#machines.inc({ ...of, state: 'complete' }, complete);
      this.#machines.inc({ ...of, state: 'fetching' }, view.shares.reduce((sum, count) => sum + count, 0) - complete);
      this.#rate.inc(of, view.bytesPerSecond);
      for (const source of byteSources) this.#bytes.inc({ ...of, source }, view.sources[source]);
      this.#wrong.inc(of, view.wrongPieces);
      for (const { reason } of view.slowest) this.#slow.inc({ ...of, reason: reason.toLowerCase() }, 1);
    }
  }
}
