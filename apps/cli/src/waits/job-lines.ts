import { formatBytes } from '@starling/shared/durations.ts';
import { type JobStage, type JobStatus, jobStages, type ReplicaStatus } from '@starling/shared/words.ts';
import type { ProgressLine } from '../terminal/progress.ts';
import { percent, tookText } from '../terminal/wording.ts';

export interface JobProgress {
  status: JobStatus;
  attempts: number;
  maxAttempts: number;
  worker: string | null;
  failureReason: string | null;
  createdAt: string;
  startedAt: string | null;
  stages: { attempt: number; stage: JobStage; startedAt: string; finishedAt: string | null }[];
}

const doing: Record<JobStage, string> = {
  CHECKOUT: 'check out the commit',
  RECIPE: 'run the recipe',
  PACK: 'pack and sign the artifact',
  UPLOAD: 'upload it to the main blob store',
};

/** The stages of a job's present attempt, as lines of a progress display. */
export function jobLines(job: JobProgress, nowMs: number): ProgressLine[] {
  const ended = job.status !== 'QUEUED' && job.status !== 'RUNNING';
  const lines: ProgressLine[] = [queueLine(job, nowMs)];
  const ofAttempt = job.stages.filter((stage) => stage.attempt === job.attempts);
  for (const stage of jobStages) {
    const times = ofAttempt.find((candidate) => candidate.stage === stage);
    const took = times ? tookText(times.startedAt, times.finishedAt, nowMs) : '';
    if (!times || job.status === 'QUEUED')
      lines.push({ key: stage, state: 'waiting', text: `${stage} ${doing[stage]}` });
    else if (times.finishedAt || job.status === 'SUCCEEDED') {
      lines.push({ key: stage, state: 'done', text: `${stage} ${doing[stage]} (${took})` });
    } else if (ended) {
      lines.push({ key: stage, state: 'failed', text: `${stage} ${doing[stage]}: ${job.failureReason ?? job.status}` });
    } else {
      lines.push({ key: stage, state: 'busy', text: `${stage} ${doing[stage]} (${took})` });
    }
  }
  return lines;
}

function queueLine(job: JobProgress, nowMs: number): ProgressLine {
  if (job.status === 'QUEUED') {
    const again = job.attempts > 0 ? `, attempt ${job.attempts + 1} of ${job.maxAttempts}` : '';
    return {
      key: 'QUEUE',
      state: 'busy',
      text: `QUEUED for a worker (${tookText(job.createdAt, null, nowMs)}${again})`,
    };
  }
  return job.worker
    ? {
        key: 'QUEUE',
        state: 'done',
        text: `RUNNING on ${job.worker}${job.attempts > 1 ? `, attempt ${job.attempts}` : ''}`,
      }
    : { key: 'QUEUE', state: 'done', text: `${job.status}` };
}

export interface ReplicaProgress {
  region: string;
  status: ReplicaStatus;
  bytesDone: number;
  bytesTotal: number;
  attempts: number;
  failureReason: string | null;
  startedAt: string | null;
  finishedAt: string | null;
}

/** One line for each region that gets a copy. */
export function replicaLines(replicas: readonly ReplicaProgress[], nowMs: number): ProgressLine[] {
  return replicas.map((replica): ProgressLine => {
    const { region, status, bytesDone, bytesTotal } = replica;
    const total = formatBytes(bytesTotal);
    switch (status) {
      case 'REPLICATED': {
        const took = tookText(replica.startedAt, replica.finishedAt, nowMs);
        return { key: region, state: 'done', text: `${region} REPLICATED ${total}${took ? ` (${took})` : ''}` };
      }
      case 'COPYING':
        return {
          key: region,
          state: 'busy',
          text: `${region} COPYING ${percent(bytesDone, bytesTotal)} of ${total}`,
        };
      case 'FAILED':
        // The synchronizer tries again, so this line is not over.
        return {
          key: region,
          state: 'busy',
          text: `${region} FAILED (attempt ${replica.attempts}, tried again soon): ${replica.failureReason ?? 'unknown reason'}`,
        };
      default:
        return { key: region, state: 'waiting', text: `${region} PENDING ${total}` };
    }
  });
}
