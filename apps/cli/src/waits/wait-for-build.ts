import { isTerminalJobStatus } from '@starling/shared/words.ts';
import type { Api } from '../client.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { followChanges } from '../live-changes.ts';
import type { Session } from '../session.ts';
import { openProgress, type Progress } from '../terminal/progress.ts';
import { plainPaint } from '../terminal/terminal.ts';
import { type LogTarget, logPrinter, readLogOf } from './follow-log.ts';
import { jobLines, replicaLines } from './job-lines.ts';
import { readUntil } from './read-until.ts';

export type Job = Awaited<ReturnType<Api['jobs']['get']['query']>>;
export type Build = Awaited<ReturnType<Api['builds']['get']['query']>>;

export interface BuildWait {
  job: number;
  timeoutMs: number;
  /** Print the log on stderr instead of the stages. */
  followLog: boolean;
  /** Stop once it is built, wherever it is. */
  untilBuiltOnly: boolean;
  resume: string;
}

/**
 * Waits until a job has SUCCEEDED and its build is deployable. A CommandFailure when the job ends otherwise; TIMEOUT
 * when it takes longer, counting both halves together.
 */
export async function waitForBuild(session: Session, wait: BuildWait): Promise<{ job: Job; build: Build }> {
  const startedMs = session.clock.now();
  const job = await waitForJob(session, wait);
  if (job.status !== 'SUCCEEDED' || !job.buildId) {
    throw new CommandFailure({
      message: `Job ${job.id} ${job.status}: ${job.failureReason ?? 'no reason was given'}`,
      fix: `Read its log: starling logs ${job.id}`,
      exitCode: exitCodes.failed,
    });
  }
  const restMs = wait.timeoutMs - (session.clock.now() - startedMs);
  const build = wait.untilBuiltOnly
    ? await (await session.api()).builds.get.query({ id: job.buildId })
    : await waitForReplicas(session, job.buildId, Math.max(restMs, 1), wait.resume);
  return { job, build };
}

async function waitForJob(session: Session, wait: BuildWait): Promise<Job> {
  const api = await session.api();
  const changes = followChanges(api, session.clock);
  const log = wait.followLog ? readLogOf(api, wait.job, logPrinter(logOnStderr(session))) : undefined;
  let progress: Progress | undefined;
  let attempt = -1;
  try {
    return await readUntil(session, {
      what: `Job ${wait.job}`,
      timeoutMs: wait.timeoutMs,
      resume: wait.resume,
      changes,
      topics: ['jobs'],
      read: (signal) => api.jobs.get.query({ id: wait.job }, { signal }),
      onValue: async (job) => {
        if (log) return void (await log.readOn());
        // A job that was requeued goes through its stages once more, in a display of its own.
        const present = job.status === 'QUEUED' ? job.attempts + 1 : job.attempts;
        if (present !== attempt) {
          await progress?.end();
          progress = openProgress(
            `Building ${job.project} ${job.commitSha.slice(0, 12)} (job ${job.id})`,
            session.terminal,
            session.clock,
          );
          attempt = present;
        }
        progress?.update(jobLines(job, session.clock.now()));
      },
      isOver: (job) => isTerminalJobStatus(job.status),
      onUnreachable: (reason) => (progress ? progress.remark(reason) : session.say(reason)),
    });
  } finally {
    changes.close();
    await progress?.end();
  }
}

function logOnStderr({ terminal, say }: Session): LogTarget {
  return {
    write: terminal.err.write,
    fitFor: !terminal.err.isTerminal ? null : terminal.err.paint === plainPaint ? 'plain terminal' : 'colour terminal',
    onAttempt: (attempt) => say(`-- attempt ${attempt} --`),
  };
}

async function waitForReplicas(session: Session, id: string, timeoutMs: number, resume: string): Promise<Build> {
  const api = await session.api();
  const changes = followChanges(api, session.clock);
  const progress = openProgress(`Replicating ${id}`, session.terminal, session.clock);
  try {
    return await readUntil(session, {
      what: `The replication of ${id}`,
      timeoutMs,
      resume,
      changes,
      topics: ['replicas'],
      read: (signal) => api.builds.get.query({ id }, { signal }),
      onValue: (build) => progress.update(replicaLines(build.replicas, session.clock.now())),
      isOver: (build) => build.deployable,
      onUnreachable: (reason) => progress.remark(reason),
    });
  } finally {
    changes.close();
    await progress.end();
  }
}
