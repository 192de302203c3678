import type { Clock } from '@starling/shared/clock.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import type { SweepResult } from './sweep.ts';

const everyMs = 10 * 60_000;
/** So that a pass ends in good time when another server takes over. */
export const buildsAtOnce = 50;

export interface NightSweepOptions {
  sweep(signal: AbortSignal): Promise<SweepResult>;
  /** The hour of the day, in UTC, in which sweeping begins. */
  hour: number;
  clock: Clock;
  log: Logger;
}

/** Whether it is night: within six hours from `hour` (UTC) on. */
export function isNight(nowMs: number, hour: number): boolean {
  return (new Date(nowMs).getUTCHours() - hour + 24) % 24 < 6;
}

/** The loop that takes away, at night, what no policy keeps. What one night does not finish, the next goes on with. */
export function startNightSweep({ sweep, hour, clock, log }: NightSweepOptions): Loop {
  return new Loop({
    name: 'retention',
    everyMs,
    clock,
    log,
    pass: async (signal) => {
      while (!signal.aborted && isNight(clock.now(), hour)) {
        const { swept, rows, left } = await sweep(signal);
        if (swept.length > 0) {
          const freed = swept.reduce((sum, { freedBytes }) => sum + freedBytes, 0);
          log.info(`swept ${swept.length} builds (${formatBytes(freed)}), ${left} left`);
        }
        for (const { name, rows: count } of rows) log.info(`removed ${count} rows: ${name}`);
        if (left === 0 || swept.length === 0) return;
      }
    },
  }).start();
}
