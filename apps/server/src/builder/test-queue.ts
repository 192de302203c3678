import { formatBuildId, type JobStage } from '@starling/shared/words.ts';
import type {
  Attempt,
  Completion,
  FinishedBuild,
  JobQueue,
  LiveBuild,
  NewPack,
  RecordedCommit,
  TakeOptions,
} from './ports.ts';

export interface TestJob {
  id: number;
  attempt: Attempt;
  status: 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED';
  stages: JobStage[];
  pieces: Map<number, string>;
  heartbeats: number;
  reason?: string;
  retry?: boolean;
  build?: FinishedBuild;
}

/** A queue in memory, for tests. Each job has one attempt; `lose` takes it away from its worker. */
export class TestQueue implements JobQueue {
  readonly jobs: TestJob[] = [];
  readonly packs: NewPack[] = [];
  commits: RecordedCommit[] = [];
  readonly #listeners = new Set<() => void>();

  add(input: { repositoryUrl: string; commitSha: string; deadlineMs?: number; binaryName?: string }): TestJob {
    const id = this.jobs.length + 1;
    const { repositoryUrl, commitSha, deadlineMs = 60_000, binaryName = 'hello' } = input;
    const attempt: Attempt = {
      jobId: id,
      attempt: 1,
      worker: '',
      project: 'hello',
      commitSha,
      repositoryUrl,
      binaryName,
      deadlineAt: Date.now() + deadlineMs,
    };
    const job: TestJob = { id, attempt, status: 'QUEUED', stages: [], pieces: new Map(), heartbeats: 0 };
    this.jobs.push(job);
    return job;
  }

  lose(job: TestJob): void {
    job.status = 'FAILED';
    job.reason = 'taken away';
  }

  log(job: TestJob): string {
    return [...job.pieces.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, text]) => text)
      .join('');
  }

  /** Resolves as soon as the condition holds after some call of the worker. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      look();
    });
  }

  async take(worker: string, _options?: TakeOptions): Promise<Attempt[]> {
    const job = this.jobs.find(({ status }) => status === 'QUEUED');
    if (!job) return [];
    job.status = 'RUNNING';
    job.attempt = { ...job.attempt, worker };
    return this.#said([job.attempt]);
  }

  async heartbeat(attempt: Attempt): Promise<boolean> {
    this.#job(attempt).heartbeats += 1;
    return this.#said(this.#job(attempt).status === 'RUNNING');
  }

  async enterStage(attempt: Attempt, stage: JobStage): Promise<void> {
    this.#job(attempt).stages.push(stage);
    this.#said(undefined);
  }

  async reserveBuildId(attempt: Attempt): Promise<string> {
    const same = this.jobs.filter(
      ({ id, attempt: other }) => other.commitSha === attempt.commitSha && id < attempt.jobId,
    );
    return formatBuildId(attempt.project, attempt.commitSha, same.length + 1);
  }

  async liveBuilds(_attempt: Attempt, most: number): Promise<LiveBuild[]> {
    const done = this.jobs.flatMap(({ build }) => (build ? [build] : [])).reverse();
    return done.slice(0, most).map(({ buildId, manifestDigest }) => ({ build: buildId, manifestDigest }));
  }

  async recordCommits(_attempt: Attempt, found: readonly RecordedCommit[]): Promise<void> {
    this.commits = [...found];
  }

  async recordPack(_attempt: Attempt, pack: NewPack): Promise<void> {
    this.packs.push(pack);
  }

  async appendLog(attempt: Attempt, sequence: number, text: string): Promise<void> {
    this.#job(attempt).pieces.set(sequence, text);
    this.#said(undefined);
  }

  async complete(attempt: Attempt, build: FinishedBuild, next?: TakeOptions): Promise<Completion> {
    const job = this.#job(attempt);
    if (job.status !== 'RUNNING') return { recorded: false, next: [] };
    job.status = 'SUCCEEDED';
    job.build = build;
    return this.#said({ recorded: true, next: next ? await this.take(attempt.worker, next) : [] });
  }

  async fail(attempt: Attempt, reason: string, retry: boolean): Promise<boolean> {
    const job = this.#job(attempt);
    if (job.status !== 'RUNNING') return false;
    Object.assign(job, { status: 'FAILED', reason, retry });
    return this.#said(true);
  }

  #job(attempt: Attempt): TestJob {
    return this.jobs[attempt.jobId - 1] as TestJob;
  }

  #said<T>(answer: T): T {
    queueMicrotask(() => {
      for (const look of [...this.#listeners]) look();
    });
    return answer;
  }
}
