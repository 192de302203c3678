import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Clock } from '@starling/shared/clock.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import { endNotedGroups, openProcessBook } from '../processes/process-book.ts';
import { type CommandEnd, runCommand } from '../processes/run-command.ts';
import { startTaskLoop, TaskFailure, type TaskLoop } from './run-tasks.ts';
import { endTask, giveTaskBack, keepTask, type TaskAttempt, takeCommandTask } from './task-rows.ts';

export interface CommandTaskOptions {
  database: Database;
  /** The worker's name. No other runs under it in this data directory: whoever starts this has seen to that. */
  worker: string;
  labels: Record<string, string>;
  dataDir: string;
  /** What commands find in their environment besides Starling's own: PATH, HOME, LANG. */
  environment: Record<string, string>;
  clock: Clock;
  log: Logger;
  /** 2 s by default. */
  everyMs?: number;
  /** 2 s by default. */
  heartbeatMs?: number;
  /** How long a command that is ended has between SIGTERM and SIGKILL, in milliseconds; 5 s by default. */
  graceMs?: number;
}

const atOnce = 4;

/** The worker's loop that runs the commands of deployments, beside the builds. */
export async function startCommandTasks(options: CommandTaskOptions): Promise<TaskLoop> {
  const { database, worker, labels, dataDir, environment, clock, log, graceMs = 5_000 } = options;
  const home = join(resolve(dataDir), 'tasks', worker);
  const [work, noted] = [join(home, 'work'), join(home, 'processes')];
  // What a killed predecessor left running could interfere with the next attempt.
  const ended = await endNotedGroups(noted);
  if (ended > 0) log.warn({ processGroups: ended }, 'ended the tasks that an earlier worker left running');
  await rm(work, { recursive: true, force: true });
  const processes = openProcessBook(noted);
  return startTaskLoop({
    name: 'command tasks',
    queue: {
      take: () => takeCommandTask(database, worker, labels),
      keep: (task, text) => keepTask(database, task, text),
      end: (task, end, text) => endTask(database, task, end, text),
      giveBack: (task, text) => giveTaskBack(database, task, text),
    },
    limit: atOnce,
    everyMs: options.everyMs ?? 2_000,
    heartbeatMs: options.heartbeatMs ?? 2_000,
    clock,
    log,
    run: async (task, said, signal) => {
      if (task.spec.type !== 'command') throw new TaskFailure('it is not a command', { retry: false });
      const folder = join(work, `${task.id}-${task.attempt}`);
      const [scratch, here] = [join(folder, 'scratch'), join(folder, 'here')];
      await mkdir(scratch, { recursive: true, mode: 0o700 });
      await mkdir(here, { recursive: true });
      try {
        said.line(`running: ${task.spec.command}`);
        const end = await runCommand({
          command: task.spec.command,
          folder: here,
          scratch,
          environment: { ...environment, ...environmentOf(task), TMPDIR: here },
          timeoutMs: task.spec.timeout,
          graceMs,
          onOutput: async (text) => said.add(text),
          signal,
          clock,
          processes,
        });
        signal.throwIfAborted();
        if (end.leftProcesses) said.line('it left processes running; they were ended');
        judge(end, task.spec.timeout);
      } finally {
        await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch((thrown) =>
          log.warn({ err: thrown }, 'a task folder could not be removed'),
        );
      }
    },
  });
}

/** What a command is told of the deployment that it belongs to. */
export function environmentOf({ id, phase, deployment }: TaskAttempt): Record<string, string> {
  return {
    STARLING_PROJECT: deployment.project,
    STARLING_BUILD: deployment.build,
    STARLING_COMMIT_SHA: deployment.commitSha,
    STARLING_DEPLOYMENT: String(deployment.id),
    STARLING_DEPLOYMENT_KIND: deployment.kind,
    STARLING_PREVIOUS_BUILD: deployment.previousBuild ?? '',
    STARLING_REQUESTED_BY: deployment.requestedBy,
    STARLING_PHASE: phase,
    // The same in every attempt, so that a command can tell that it was begun before.
    STARLING_TASK: `task-${id}`,
  };
}

function judge({ exitCode, endedBy, timedOut, lastLines }: CommandEnd, timeoutMs: number): void {
  const lastLine = lastLines.at(-1);
  const words = lastLine ? `: ${lastLine.trim().slice(0, 300)}` : '';
  if (timedOut) throw new TaskFailure(`it took longer than its timeout of ${formatDuration(timeoutMs)}${words}`);
  if (exitCode === null) throw new TaskFailure(`it was ended by ${endedBy ?? 'a signal'}${words}`);
  if (exitCode !== 0) throw new TaskFailure(`exit code ${exitCode}${words}`);
}
