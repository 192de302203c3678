import { messageOf } from '@starling/shared/errors.ts';
import type { Logger } from './log.ts';

/** The longest a tidy end may take before the process ends anyway; killed is a case that everything here survives. */
const stopDeadlineMs = 15_000;
const parentGone = 'the parent process is gone';

/**
 * Runs until told to end: by SIGTERM or SIGINT, or because the parent that holds our IPC channel is gone. Then calls
 * `stop` once and exits with 0, or with 1 when stopping failed or took too long. A `stop` that first lets work come to
 * its end may take `patienceMs` for that; it is to end it when `hurry` is aborted: by a second signal, or at once when the
 * parent is gone, since nobody is there to wait.
 */
export function untilStopped(log: Logger, stop: (hurry: AbortSignal) => Promise<void>, patienceMs = 0): void {
  let stopping = false;
  const hurry = new AbortController();
  const endWithin = (milliseconds: number) =>
    setTimeout(() => {
      log.error('stopping took too long');
      process.exit(1);
    }, milliseconds).unref();
  hurry.signal.addEventListener('abort', () => endWithin(stopDeadlineMs));
  const end = (why: string) => {
    if (stopping && !hurry.signal.aborted) log.info(`stopping without patience: ${why}`);
    if (stopping || why === parentGone) hurry.abort();
    if (stopping) return;
    stopping = true;
    log.info(`stopping: ${why}`);
    endWithin(patienceMs + stopDeadlineMs);
    stop(hurry.signal).then(
      () => process.exit(0),
      (thrown) => {
        log.error({ err: thrown }, `stopping failed: ${messageOf(thrown)}`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  process.on('disconnect', () => end(parentGone));
}

/** Tells the parent, where there is one, that this process is ready and where it listens. */
export function sayReady(facts: Record<string, string>): void {
  process.send?.({ ready: facts });
}
