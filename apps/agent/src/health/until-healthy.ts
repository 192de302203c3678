import type { Clock } from '@starling/shared/clock.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import { Aborted, throwIfAborted } from '../lib/abort.ts';
import { inLines, type Program, type ProgramExit } from '../supervise/program.ts';
import { type ProbeTarget, probe } from './probe.ts';

export interface HealthWindow {
  intervalMs: number;
  /** How long every probe must pass, one after another. */
  minHealthyTimeMs: number;
  /** When it must have been healthy for that long, counted from now. */
  deadlineMs: number;
}

/** Something newer than the update whose health is waited for. */
export interface Overtaking {
  /** Why the update is given up for it, of a program that is healthy at this moment or not; undefined when it is not. */
  reason: (isHealthy: boolean) => string | undefined;
  /** Aborted when that may have changed. */
  changed: () => AbortSignal;
}

/**
 * Waits until a program has been healthy for the whole of `minHealthyTimeMs`. Resolves to undefined then, or to a
 * sentence that says why it is not: it exited (at once), or the deadline passed and how the last failed probe
 * failed, or it was overtaken. Without a program (a build that is only unpacked) one probe that passes is enough. Rejects with Aborted.
 */
export async function untilHealthy(
  target: ProbeTarget,
  program: Program | undefined,
  { intervalMs, minHealthyTimeMs, deadlineMs }: HealthWindow,
  clock: Clock,
  signal: AbortSignal,
  overtaking?: Overtaking,
): Promise<string | undefined> {
  const ended = new AbortController();
  const working = AbortSignal.any([signal, ended.signal]);
  let exit: ProgramExit | undefined;
  const watching = program?.untilExit(working).then(
    (found) => {
      exit = found;
      ended.abort();
    },
    (thrown) => {
      if (!(thrown instanceof Aborted)) throw thrown;
    },
  );
  try {
    const deadline = clock.now() + deadlineMs;
    let healthySince: number | undefined;
    let lastFailure = 'no probe passed';
    for (;;) {
      const changed = overtaking?.changed();
      const failure = await probe(target, working);
      throwIfAborted(signal);
      if (exit) return `the program ${inLines({ ...exit, text: `${exit.text} before it was healthy` })}`;
      if (failure === undefined) {
        healthySince ??= clock.now();
        if (!program || clock.now() - healthySince >= minHealthyTimeMs) return undefined;
      } else {
        healthySince = undefined;
        lastFailure = failure;
      }
      const overtaken = overtaking?.reason(failure === undefined);
      if (overtaken !== undefined) return failure === undefined ? overtaken : `${overtaken}: ${failure}`;
      const left = deadline - clock.now();
      if (left <= 0) return `not healthy within ${formatDuration(deadlineMs)}: ${lastFailure}`;
      const untilDone = healthySince === undefined ? left : healthySince + minHealthyTimeMs - clock.now();
      await clock.sleep(
        Math.max(1, Math.min(intervalMs, left, untilDone)),
        changed ? AbortSignal.any([working, changed]) : working,
      );
      throwIfAborted(signal);
    }
  } finally {
    ended.abort();
    await watching;
  }
}
