import { type Logger, pino } from 'pino';

export type { Logger };

/** JSON lines on standard output, one process a name; the level comes from the caller's configuration. */
export function createLogger(name: string, level: string): Logger {
  return pino({ name, level, timestamp: pino.stdTimeFunctions.isoTime, base: { name, pid: process.pid } });
}
