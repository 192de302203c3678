import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import { BoundedLog } from './bounded-log.ts';
import type { TaskAttempt, TaskEnd } from './task-rows.ts';

// What running commands (on workers) and calling webhooks (on control) have in common: some tasks at once, each with a
// heartbeat that also keeps its log. When the heartbeat says that the attempt is no longer ours (the deployment was
// aborted, or we were silent for too long), it is stopped. When the runner itself is told to end, it puts the task back.

export interface TaskQueue {
  take(): Promise<TaskAttempt | undefined>;
  /** False when the attempt is to be stopped. */
  keep(task: TaskAttempt, log: string | undefined): Promise<boolean>;
  end(task: TaskAttempt, end: TaskEnd, log: string): Promise<boolean>;
  giveBack(task: TaskAttempt, log: string): Promise<void>;
}

/** Why a task has failed, in words for its owner. */
export class TaskFailure extends Error {
  /** False when trying again cannot help. */
  readonly retry: boolean;

  constructor(message: string, { retry = true } = {}) {
    super(message);
    this.name = 'TaskFailure';
    this.retry = retry;
  }
}

export interface TaskLoopOptions {
  name: string;
  queue: TaskQueue;
  /** Sees one attempt to its end; throws TaskFailure when it fails. Ends soon after the signal is aborted. */
  run: (task: TaskAttempt, log: BoundedLog, signal: AbortSignal) => Promise<void>;
  /** What else is to be done in each pass, before tasks are taken. */
  before?: () => Promise<void>;
  /** How many run at once. */
  limit: number;
  everyMs: number;
  heartbeatMs: number;
  clock: Clock;
  log: Logger;
}

export interface TaskLoop {
  /** Looks for tasks now, and asks whether the running attempts are still ours, rather than at the next heartbeat. */
  nudge(): void;
  /** Takes no more, puts back what runs, and resolves when nothing runs any more. */
  stop(): Promise<void>;
}

const endTries = 5;

export function startTaskLoop(options: TaskLoopOptions): TaskLoop {
  const { name, queue, run, before, limit, everyMs, heartbeatMs, clock, log } = options;
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  let rest = new AbortController();
  const loop = new Loop({
    name,
    everyMs,
    clock,
    log,
    pass: async () => {
      await before?.();
      while (running.size < limit && !stopping.signal.aborted) {
        const task = await queue.take();
        if (!task) return;
        const seen: Promise<void> = see(task)
          .catch((thrown) => log.error({ err: thrown }, `${name}: task ${task.id}: ${messageOf(thrown)}`))
          .finally(() => {
            running.delete(seen);
            loop.nudge();
          });
        running.add(seen);
      }
    },
  }).start();
  return {
    nudge: () => {
      loop.nudge();
      const current = rest;
      rest = new AbortController();
      current.abort();
    },
    stop: async () => {
      stopping.abort();
      await loop.stop();
      await Promise.all(running);
    },
  };

  async function see(task: TaskAttempt): Promise<void> {
    const said = new BoundedLog();
    said.add(task.log);
    said.takeChanged();
    said.line(`attempt ${task.attempt} of ${task.spec.attempts}, by ${task.runner}`);
    const over = new AbortController();
    const lost = new AbortController();
    const heartbeat = keep(task, said, over.signal, lost);
    let end: TaskEnd = { succeeded: true };
    try {
      await run(task, said, AbortSignal.any([stopping.signal, lost.signal]));
    } catch (thrown) {
      end = { succeeded: false, reason: messageOf(thrown), retry: !(thrown instanceof TaskFailure) || thrown.retry };
    } finally {
      over.abort();
      await heartbeat;
    }
    if (lost.signal.aborted) {
      log.warn(`${name}: task ${task.id} "${task.spec.name}" was stopped: it is no longer ours`);
      return;
    }
    if (!end.succeeded && stopping.signal.aborted) {
      said.line(`${task.runner} was told to end; the task is put back`);
      await insist(() => queue.giveBack(task, said.text));
      return;
    }
    said.line(end.succeeded ? 'succeeded' : `failed: ${end.reason}`);
    // When the queue cannot be told, the attempt is given up as lost by whoever finds it silent.
    const told = await insist(() => queue.end(task, end, said.text));
    if (told) log.info(`${name}: task ${task.id} "${task.spec.name}" ${end.succeeded ? 'succeeded' : end.reason}`);
  }

  async function keep(task: TaskAttempt, said: BoundedLog, over: AbortSignal, lost: AbortController): Promise<void> {
    while (!over.aborted) {
      await clock.sleep(heartbeatMs, AbortSignal.any([over, rest.signal]));
      if (over.aborted) return;
      try {
        if (await queue.keep(task, said.takeChanged())) continue;
        if (!over.aborted) lost.abort();
        return;
      } catch (thrown) {
        // Whether it is still ours is known when the database answers again.
        log.warn({ err: thrown }, `${name}: a heartbeat of task ${task.id} failed: ${messageOf(thrown)}`);
      }
    }
  }

  async function insist<T>(call: () => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await call();
      } catch (thrown) {
        if (tried === endTries) throw thrown;
        await clock.sleep(100 * 2 ** tried);
      }
    }
  }
}
