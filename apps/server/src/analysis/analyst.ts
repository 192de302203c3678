import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { RolloutCheck } from '@starling/shared/rollout-checks.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import { isDue } from './judge.ts';
import { fillIn, type Measurement } from './measurement.ts';
import { beginCommand, beginMeasurement, endCommands, endMeasurement, forgetLost } from './measurement-rows.ts';
import { isAllowed, probe } from './probe.ts';
import { queryPrometheus } from './prometheus.ts';
import { type Stage, stagesToMeasure } from './stages.ts';

export interface AnalystOptions {
  database: Database;
  everyMs: number;
  clock: Clock;
  log: Logger;
}

const atOnce = 16;

/**
 * The loop that measures: it makes the checks of running deployments when they are due, and writes down what came of them. The
 * rollout controller judges that. Queries and probes are made from here, to addresses that an administrator named; commands,
 * which the repository may name, only ever run on workers, as recipes do.
 */
export function startAnalyst({ database, everyMs, clock, log }: AnalystOptions): Pick<Loop, 'nudge' | 'stop'> {
  const underWay = new Map<number, Promise<void>>();
  const stopping = new AbortController();
  const loop = new Loop({
    name: 'analysis',
    everyMs,
    clock,
    log,
    pass: async () => {
      await forgetLost(database, [...underWay.keys()]);
      await endCommands(database);
      for (const stage of await stagesToMeasure(database)) {
        for (const { check, measured } of stage.checks) {
          if (stopping.signal.aborted || underWay.size >= atOnce) return;
          if (isDue(check, measured, stage.nowMs)) await begin(stage, check);
        }
      }
    },
  }).start();
  return {
    nudge: () => loop.nudge(),
    stop: async () => {
      stopping.abort();
      await loop.stop();
      await Promise.all(underWay.values());
    },
  };

  async function begin(stage: Stage, check: RolloutCheck): Promise<void> {
    const { deployment, wave, settings } = stage;
    const key = { deployment: deployment.id, wave, stage: stage.stage, check: check.name };
    if (check.command !== undefined) {
      const { workerLabels } = settings.analysis;
      const command = fillIn(check.command, deployment);
      return beginCommand(database, key, { command, timeoutMs: check.timeout, workerLabels });
    }
    const id = await beginMeasurement(database, key);
    const seen = measure(stage, check)
      .then(async (measurement) => {
        // Cut off by our own end it says nothing: whoever leads next makes it again.
        if (stopping.signal.aborted) return;
        await endMeasurement(database, id, measurement);
        const { verdict, detail } = measurement;
        log.info(`deployment ${deployment.id} of ${deployment.project}: check "${check.name}" ${verdict}: ${detail}`);
      })
      .catch((thrown: unknown) => log.error({ err: thrown }, `analysis: measurement ${id}: ${messageOf(thrown)}`))
      .finally(() => underWay.delete(id));
    underWay.set(id, seen);
  }

  async function measure({ deployment, settings }: Stage, check: RolloutCheck): Promise<Measurement> {
    const { prometheus, http } = settings.analysis;
    const common = { timeoutMs: check.timeout, signal: stopping.signal };
    if (check.prometheus !== undefined) {
      if (prometheus === null) return notAllowed('analysis.prometheus is not set');
      const { condition = '', failCondition } = check;
      const query = fillIn(check.prometheus, deployment);
      return queryPrometheus({ base: prometheus, query, condition, failCondition, ...common });
    }
    const url = fillIn(check.http ?? '', deployment);
    if (!URL.canParse(url) || !isAllowed(url, http)) return notAllowed('its address is not one of analysis.http');
    return probe({ url, ...common });
  }
}

const notAllowed = (why: string): Measurement => ({ verdict: 'ERROR', detail: `${why} in the project's settings` });
