import type { Attempt } from '../builder/ports.ts';

/** A job as the statements that take one answer it. */
export interface TakenRow {
  id: number;
  attempts: number;
  project: string;
  commit_sha: string;
  repository_url: string;
  binary_name: string;
  /** Milliseconds since the epoch. */
  deadline_at: number;
  /** The project, when its limit is to be looked at first; nothing else is set then. */
  limited: string | null;
}

export function attemptOf(row: TakenRow, worker: string): Attempt {
  return {
    jobId: row.id,
    attempt: row.attempts,
    worker,
    project: row.project,
    commitSha: row.commit_sha,
    repositoryUrl: row.repository_url,
    binaryName: row.binary_name,
    deadlineAt: row.deadline_at,
  };
}
