import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Measured } from '@starling/shared/forecast.ts';
import { and, asc, eq, isNull, sql } from 'drizzle-orm';
import { builds, deployments } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import { readSwarm } from '../fleet/swarm-views.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import type { Forecaster } from './forecaster.ts';

/** A deployment that has run for longer has changed what its forecast would go by. */
const forecastWithin = sql`interval '1 minute'`;
/** Views of swarms are there for an hour after the end. */
const measuredWithin = sql`interval '30 minutes'`;
const atOnce = 20;

export interface RecorderOptions {
  database: Database;
  forecaster: Pick<Forecaster, 'forecast'>;
  everyMs: number;
  clock: Clock;
  log: Logger;
}

/**
 * The loop that writes a forecast to each deployment that begins, and what was measured to each that has ended. Both are
 * written once, so that it may be killed anywhere and done again.
 */
export function startForecastRecorder({ database, forecaster, everyMs, clock, log }: RecorderOptions): Loop {
  /** What could not be forecast is not tried again until another server leads this. */
  const failed = new Set<number>();
  return new Loop({
    name: 'forecasts',
    everyMs,
    clock,
    log,
    pass: async (signal) => {
      for (const { deployment, build } of await withoutForecast()) {
        if (signal.aborted) return;
        if (failed.has(deployment.id)) continue;
        const { id, project, plan, salt } = deployment;
        try {
          const forecast = await forecaster.forecast(database, {
            project,
            build,
            rollout: null,
            recorded: { plan, salt },
          });
          await write(id, { forecast });
        } catch (thrown) {
          failed.add(id);
          log.warn({ err: thrown, deployment: id }, `deployment ${id} goes without a forecast: ${messageOf(thrown)}`);
        }
      }
      for (const id of await withoutMeasured()) {
        if (signal.aborted) return;
        await write(id, { measured: await measure(database, id, clock.now()) });
      }
    },
  }).start();

  function withoutForecast() {
    return database
      .select({ deployment: deployments, build: builds })
      .from(deployments)
      .innerJoin(builds, eq(builds.id, deployments.buildId))
      .where(
        and(
          sql`(${deployments.status} = 'WAITING' or (${deployments.status} = 'RUNNING' and ${deployments.startedAt} > now() - ${forecastWithin}))`,
          isNull(deployments.forecast),
        ),
      )
      .orderBy(asc(deployments.id))
      .limit(atOnce);
  }

  async function withoutMeasured(): Promise<number[]> {
    const rows = await database
      .select({ id: deployments.id })
      .from(deployments)
      .where(
        and(
          sql`${deployments.finishedAt} > now() - ${measuredWithin} and ${deployments.startedAt} is not null`,
          isNull(deployments.measured),
        ),
      )
      .orderBy(asc(deployments.id))
      .limit(atOnce);
    return rows.map(({ id }) => id);
  }

  async function write(id: number, set: Partial<Pick<typeof deployments.$inferInsert, 'forecast' | 'measured'>>) {
    const column = set.forecast ? deployments.forecast : deployments.measured;
    await database.transaction(async (tx) => {
      const rows = await tx
        .update(deployments)
        .set(set)
        .where(and(eq(deployments.id, id), isNull(column)))
        .returning({ id: deployments.id });
      if (rows.length > 0) await announce(tx, 'deployments');
    });
  }
}

/** What a deployment that has ended took, by its rows and the last views of its hubs. */
export async function measure(database: Database, id: number, nowMs: number): Promise<Measured> {
  const [times] = (await database.execute(sql`
    select extract(epoch from d.finished_at - d.started_at)::float8 * 1000 as "totalMs",
      (select percentile_cont(0.5) within group (order by extract(epoch from dm.updated_at - dm.started_at))::float8 * 1000
        from deployment_machines dm where dm.deployment = d.id and dm.step = 'COMMITTED') as "machineMs"
    from deployments d where d.id = ${id}`)) as unknown as { totalMs: number; machineMs: number | null }[];
  const swarm = await readSwarm(database, sql`${id}`, nowMs);
  const fetchMs = swarm?.all.measured.machines ? swarm.all.measured.medianMs : 0;
  const machineMs = times?.machineMs ?? null;
  return {
    totalMs: Math.round(times?.totalMs ?? 0),
    sources: swarm?.all.sources ?? null,
    installMs: machineMs === null ? null : Math.max(0, Math.round(machineMs - fetchMs)),
    regions: (swarm?.regions ?? [])
      .filter(({ measured }) => measured.machines > 0)
      .map(({ region, measured }) => ({
        region,
        machines: measured.machines,
        bytesPerSecond: measured.fastBytesPerSecond,
        fetchMs: measured.medianMs,
      })),
  };
}
