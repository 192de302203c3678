import type { WrittenRolloutSettings } from '@starling/shared/rollout-plan.ts';
import type { JobStage } from '@starling/shared/words.ts';

// What a worker needs of the queue. `main.ts` fills it with the statements of `jobs/`.

/** One attempt at one job. Only its holder can write to the job, and only until the attempt is taken away. */
export interface Attempt {
  jobId: number;
  attempt: number;
  worker: string;
  project: string;
  commitSha: string;
  repositoryUrl: string;
  binaryName: string;
  /** When this attempt must be over, in milliseconds since the epoch. */
  deadlineAt: number;
}

export interface FinishedBuild {
  buildId: string;
  commitAuthor: string;
  commitSubject: string;
  committedAt: Date;
  manifestDigest: string;
  manifestBytes: number;
  /** The contents of all files; of these, in chunks that no earlier build had. */
  streamBytes: number;
  newBytes: number;
  chunkCount: number;
  newChunkCount: number;
  /** The pack that it brings, and what of it is patches; null and 0 when nothing is new. */
  packDigest: string | null;
  packBytes: number;
  patchBytes: number;
  /** Digests of all packs that its manifest names, its own included. */
  packs: string[];
  fileCount: number;
  /** How it is to reach the machines, as its `starling.yml` says. */
  rollout?: WrittenRolloutSettings | null;
}

/** A pack that a worker is about to store. */
export interface NewPack {
  digest: string;
  sizeBytes: number;
  patchBytes: number;
  infoHash: string;
}

/** A commit of a repository, so that people see what is in a build; its author's name alone, no address. */
export interface RecordedCommit {
  sha: string;
  parents: string[];
  author: string;
  subject: string;
  committedAt: Date;
}

/** A build whose chunks a new one may borrow. */
export interface LiveBuild {
  build: string;
  manifestDigest: string;
}

export interface TakeOptions {
  /** What the worker can do: it gets only jobs that ask for some of these, or for nothing. None when left out. */
  labels?: Record<string, string>;
  /** The most jobs to take, from 1; 1 when left out. */
  limit?: number;
}

export interface Completion {
  recorded: boolean;
  next: Attempt[];
}

export interface JobQueue {
  /**
   * Makes QUEUED jobs RUNNING for `worker`: the highest priority first, then the oldest. Empty when there is none for
   * it, when its project runs as many as it may, or when the worker is draining or shut out.
   */
  take(worker: string, options?: TakeOptions): Promise<Attempt[]>;
  /** False when the attempt is no longer ours (requeued, cancelled, over its deadline): stop working on it. */
  heartbeat(attempt: Attempt): Promise<boolean>;
  /** The stage the attempt is in now. */
  enterStage(attempt: Attempt, stage: JobStage): Promise<void>;
  /** The id that the build of this attempt will have; the same however often it is asked. */
  reserveBuildId(attempt: Attempt): Promise<string>;
  /** The newest builds of the attempt's project whose bytes are kept, newest first, `most` at most. */
  liveBuilds(attempt: Attempt, most: number): Promise<LiveBuild[]>;
  /**
   * Notes a pack before it is stored, so that it is deleted neither before its build is recorded nor never. Throws
   * UNAVAILABLE while an earlier pack of the same bytes is being deleted.
   */
  recordPack(attempt: Attempt, pack: NewPack): Promise<void>;
  /** Notes the commits that led to the attempt's. Doing it twice is harmless. */
  recordCommits(attempt: Attempt, commits: readonly RecordedCommit[]): Promise<void>;
  /** Adds to the job's log; `sequence` counts from 0 within the attempt. Writing a piece twice is harmless. */
  appendLog(attempt: Attempt, sequence: number, text: string): Promise<void>;
  /**
   * Job, build and replicas in one transaction, and in the same one the worker's next jobs when it asks for some. Not
   * `recorded` when the attempt is no longer ours: nothing was written then, and nothing taken. Throws UNAVAILABLE when a
   * pack that the build names was deleted meanwhile.
   */
  complete(attempt: Attempt, build: FinishedBuild, next?: TakeOptions): Promise<Completion>;
  /** Ends the job FAILED, or, when `retry` and attempts are left, puts it back. False when it is no longer ours. */
  fail(attempt: Attempt, reason: string, retry: boolean): Promise<boolean>;
}
