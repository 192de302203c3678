import { formatDuration } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure, describeFailure, isUnreachable } from '../failure.ts';
import type { LiveChanges, Topic } from '../live-changes.ts';
import type { Session } from '../session.ts';

export interface Wait<Value> {
  /** What is waited for, as in "waiting for …". */
  what: string;
  timeoutMs: number;
  /** The command line that takes the wait up again. */
  resume: string;
  changes: LiveChanges;
  topics: readonly Topic[];
  read: (signal: AbortSignal) => Promise<Value>;
  onValue: (value: Value) => void | Promise<void>;
  isOver: (value: Value) => boolean;
  /** The server does not answer; the wait goes on. */
  onUnreachable: (reason: string) => void;
}

/**
 * Reads until it is over, and returns what was read last. TIMEOUT after `timeoutMs`; a CommandFailure when interrupted.
 * Neither touches what is waited for, and both say how to go on. A server that is away for a while ends nothing.
 */
export async function readUntil<Value>(session: Session, wait: Wait<Value>): Promise<Value> {
  const { clock, interrupted } = session;
  const timedOut = new AbortController();
  const finished = new AbortController();
  void clock.sleep(wait.timeoutMs, finished.signal).then(() => timedOut.abort());
  const signal = AbortSignal.any([interrupted, timedOut.signal]);
  try {
    while (!signal.aborted) {
      try {
        const value = await wait.read(signal);
        await wait.onValue(value);
        if (wait.isOver(value)) return value;
      } catch (thrown) {
        if (signal.aborted) break;
        if (!isUnreachable(thrown)) throw thrown;
        wait.onUnreachable(describeFailure(thrown, await session.access()).message);
        // What is changing cannot be heard now; this paces the attempts.
        await clock.sleep(1_000, signal);
      }
      await wait.changes.next(wait.topics, signal);
    }
  } finally {
    finished.abort();
  }
  const goOn = `It goes on. Watch it again with: ${wait.resume}`;
  if (interrupted.aborted) {
    throw new CommandFailure({
      message: `Stopped waiting for ${wait.what}.`,
      fix: goOn,
      exitCode: exitCodes.interrupted,
    });
  }
  throw new StarlingError('TIMEOUT', `${wait.what} is not over after ${formatDuration(wait.timeoutMs)}.`, {
    fix: goOn,
  });
}
