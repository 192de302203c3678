import type { Database } from '../db/connect.ts';
import { Loop } from '../lib/loop.ts';
import type { AlertLimits } from './conditions.ts';
import { type DeliverOptions, deliverDue } from './deliver.ts';
import { raiseAlerts } from './raise.ts';

export interface AlerterOptions extends DeliverOptions {
  database: Database;
  limits: AlertLimits;
  everyMs: number;
}

/** The loop that notices what people should know and tells them, through every channel that wants it. */
export function startAlerter(options: AlerterOptions): Loop {
  const { database, limits, everyMs, clock, log } = options;
  return new Loop({
    name: 'alerts',
    everyMs,
    clock,
    log,
    pass: async (signal) => {
      const raised = await database.transaction((tx) => raiseAlerts(tx, limits));
      for (const alert of raised) log.info(`alert ${alert.id} ${alert.kind}: ${alert.title}`);
      await deliverDue(options, signal);
    },
  }).start();
}
