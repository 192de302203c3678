import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import { postSigned } from '../lib/post-signed.ts';
import { startTaskLoop, TaskFailure, type TaskLoop } from './run-tasks.ts';
import { endLost, failUnclaimed, skipUnwanted } from './sweep.ts';
import { endTask, giveTaskBack, keepTask, type TaskAttempt, takeWebhookTask } from './task-rows.ts';

export interface TaskControlOptions {
  database: Database;
  clock: Clock;
  log: Logger;
  /** 2 s by default. */
  everyMs?: number;
  /** 2 s by default. */
  heartbeatMs?: number;
  /** Silence after which a runner counts as dead, in milliseconds; a minute by default. */
  staleMs?: number;
  /** The longest that a command whose turn has come may wait for a worker, in milliseconds; an hour by default. */
  maxWaitMs?: number;
}

const atOnce = 16;
const mostAnswerBytes = 16 * 1024;

/** Control's loop for tasks: it calls webhooks, and sees to it that every task ends, whoever runs it. */
export function startTaskControl(options: TaskControlOptions): TaskLoop {
  const { database, clock, log, staleMs = 60_000, maxWaitMs = 3_600_000 } = options;
  const server = `${hostname()}-${randomUUID().slice(0, 8)}`;
  // After the database was away, runners are given time to be heard again before they count as silent.
  let watchingSince = clock.now();
  return startTaskLoop({
    name: 'tasks',
    queue: {
      take: () => takeWebhookTask(database, server),
      keep: (task, text) => keepTask(database, task, text),
      end: (task, end, text) => endTask(database, task, end, text),
      giveBack: (task, text) => giveTaskBack(database, task, text),
    },
    before: async () => {
      try {
        await skipUnwanted(database);
        const lost = clock.now() - watchingSince >= staleMs / 4 ? await endLost(database, { staleMs, maxWaitMs }) : [];
        const unclaimed = await failUnclaimed(database, { staleMs, maxWaitMs });
        for (const words of [...lost, ...unclaimed]) log.warn(words);
      } catch (thrown) {
        watchingSince = clock.now();
        throw thrown;
      }
    },
    run: (task, said, signal) => call(task, said, signal, clock),
    limit: atOnce,
    everyMs: options.everyMs ?? 2_000,
    heartbeatMs: options.heartbeatMs ?? 2_000,
    clock,
    log,
  });
}

async function call(
  task: TaskAttempt,
  said: { line(text: string): void },
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  const { spec, deployment, phase } = task;
  if (spec.type !== 'webhook') throw new TaskFailure('it is not a webhook', { retry: false });
  // Only where it goes: the rest of a webhook's address may be its secret.
  said.line(`POST ${new URL(spec.url).origin}`);
  const deliveryId = `task-${task.id}`;
  const startedAt = clock.now();
  const answer = await postSigned({
    url: spec.url,
    body: { event: 'deployment.task', delivery: deliveryId, attempt: task.attempt, task: spec.name, phase, deployment },
    secret: spec.secret,
    deliveryId,
    nowMs: startedAt,
    signal,
    timeoutMs: spec.timeout,
    mostAnswerBytes,
  }).catch((thrown: unknown) => {
    if (thrown instanceof StarlingError) throw new TaskFailure(thrown.message, { retry: thrown.code !== 'FORBIDDEN' });
    throw thrown;
  });
  said.line(`answered ${answer.status} after ${clock.now() - startedAt} ms`);
  if (answer.text !== '') said.line(answer.text);
  if (answer.status >= 200 && answer.status < 300) return;
  const redirected = answer.status >= 300 && answer.status < 400 ? '; redirects are not followed' : '';
  const firstLine = answer.text.trim().split(/[\r\n]+/)[0] ?? '';
  throw new TaskFailure(
    `${new URL(spec.url).host} answered ${answer.status}${redirected}${firstLine ? `: ${firstLine.slice(0, 300)}` : ''}`,
  );
}
