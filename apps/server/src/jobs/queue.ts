import { formatBuildId } from '@starling/shared/words.ts';
import { and, count, eq, lte } from 'drizzle-orm';
import { jobs } from '../../../../drizzle/schema/index.ts';
import type { Attempt, JobQueue } from '../builder/ports.ts';
import type { Database } from '../db/connect.ts';
import { appendLog } from './append-log.ts';
import { completeJob } from './complete.ts';
import { enterStage } from './enter-stage.ts';
import { failAttempt } from './fail.ts';
import { heartbeat } from './heartbeat.ts';
import { liveBuilds } from './live-builds.ts';
import { recordCommits } from './record-commits.ts';
import { recordPack } from './record-pack.ts';
import { takeJobs } from './take.ts';

/** The queue as workers see it, on PostgreSQL. */
export function jobQueue(database: Database): JobQueue {
  return {
    take: (worker, options) => takeJobs(database, worker, options),
    heartbeat: (attempt) => heartbeat(database, attempt),
    enterStage: (attempt, stage) => enterStage(database, attempt, stage),
    reserveBuildId: (attempt) => reserveBuildId(database, attempt),
    liveBuilds: (attempt, most) => liveBuilds(database, attempt.project, most),
    recordPack: (attempt, pack) => recordPack(database, attempt.project, pack),
    recordCommits: (attempt, commits) => recordCommits(database, attempt.project, commits),
    appendLog: (attempt, sequence, text) => appendLog(database, attempt, sequence, text),
    complete: (attempt, build, next) => completeJob(database, attempt, build, next),
    fail: (attempt, reason, retry) => failAttempt(database, attempt, reason, retry),
  };
}

/** Numbered by how many jobs had this commit before: the same for every attempt, and no two jobs share it. */
async function reserveBuildId(database: Database, attempt: Attempt): Promise<string> {
  const [row] = await database
    .select({ ordinal: count() })
    .from(jobs)
    .where(and(eq(jobs.project, attempt.project), eq(jobs.commitSha, attempt.commitSha), lte(jobs.id, attempt.jobId)));
  return formatBuildId(attempt.project, attempt.commitSha, row!.ordinal);
}
