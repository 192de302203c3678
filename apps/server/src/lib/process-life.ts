import { messageOf } from '@starling/shared/errors.ts';
import type { Logger } from './log.ts';

/** The longest a tidy end may take before the process ends anyway; killed is a case that everything here survives. */
const stopDeadlineMs = 15_000;

/**
 * Runs until told to end: by SIGTERM or SIGINT, or because the parent that holds our IPC channel is gone. Then calls
 * `stop` once and exits with 0, or with 1 when stopping failed or took too long.
 */
export function untilStopped(log: Logger, stop: () => Promise<void>): void {
  let stopping = false;
  const end = (why: string) => {
    if (stopping) return;
    stopping = true;
    log.info(`stopping: ${why}`);
    setTimeout(() => {
      log.error('stopping took too long');
      process.exit(1);
    }, stopDeadlineMs).unref();
    stop().then(
      () => process.exit(0),
      (thrown) => {
        log.error({ err: thrown }, `stopping failed: ${messageOf(thrown)}`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  process.on('disconnect', () => end('the parent process is gone'));
}

/** Tells the parent, where there is one, that this process is ready and where it listens. */
export function sayReady(facts: Record<string, string>): void {
  process.send?.({ ready: facts });
}
