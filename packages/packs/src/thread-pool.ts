import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { StreamFile } from './file-stream.ts';
import { freeBuffers } from './free-buffers.ts';
import type { Job, JobKind, JobResult } from './jobs.ts';
import { JobRunner } from './run-job.ts';

export interface PoolOptions {
  /** As many as there are processors, at most 6, by default; with 0 the caller's own thread does the work. */
  threads?: number;
  /** The streams that jobs may name, each a list of files. */
  streams: Record<string, readonly StreamFile[]>;
  /** Those of them that jobs may write. */
  writable?: readonly string[];
}

type Answer = { result: never } | { error: Error; code: string | undefined };

interface Waiting {
  job: { kind: JobKind };
  resolve: (result: never) => void;
  reject: (thrown: unknown) => void;
}

/** Each takes up to some 50 MB. */
const mostThreads = 6;
const worthThreadsBytes = 1024 * 1024;
const worthAThreadBytes = 4 * 1024 * 1024;

/** How many threads are worth starting for so many bytes: none for what is done sooner than a thread has begun. */
export function threadsFor(bytes: number): number {
  if (bytes < worthThreadsBytes) return 0;
  return Math.min(mostThreads, availableParallelism(), 1 + Math.floor(bytes / worthAThreadBytes));
}

/**
 * Threads that each do one job at a time. What they do is in jobs.ts. A job that throws rejects its promise; a thread
 * that dies rejects all, as nobody can say what it had done.
 */
export class ThreadPool {
  readonly threads: number;
  readonly #idle: Worker[] = [];
  readonly #all: Worker[];
  readonly #running = new Map<Worker, Waiting>();
  readonly #queue: Waiting[] = [];
  readonly #inline: JobRunner | undefined;
  #failure: Error | undefined;

  constructor({ threads = Math.min(mostThreads, availableParallelism()), streams, writable = [] }: PoolOptions) {
    this.threads = threads;
    this.#inline = threads === 0 ? new JobRunner(streams, writable) : undefined;
    this.#all = Array.from({ length: threads }, () => {
      const worker = new Worker(new URL('./thread.ts', import.meta.url), {
        workerData: { streams, writable },
        // Their large buffers are not on the heap; a small nursery is enough.
        resourceLimits: { maxYoungGenerationSizeMb: 8 },
      });
      worker.unref();
      worker.on('message', (answer: Answer) => this.#answered(worker, answer));
      worker.on('error', (error) => this.#fail(error as Error));
      worker.on('exit', () => this.#fail(new Error('a thread ended before its work was done')));
      this.#idle.push(worker);
      return worker;
    });
  }

  run<Kind extends JobKind>(kind: Kind, job: Job<Kind>): Promise<JobResult<Kind>> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#inline) return this.#runInline(this.#inline, { kind, ...job });
    return new Promise((resolve, reject) => {
      this.#queue.push({ job: { kind, ...job }, resolve, reject });
      this.#next();
    });
  }

  /**
   * Runs a job for each item and hands the results on in the order of the items. So few are under way at once (two a
   * thread) that memory stays bounded, however many there are. The first failure, or the signal, ends it.
   */
  async each<Item, Kind extends JobKind>(
    kind: Kind,
    items: Iterable<Item>,
    jobOf: (item: Item) => Job<Kind>,
    take: (result: JobResult<Kind>, item: Item) => void | Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const underWay: { item: Item; result: Promise<JobResult<Kind>> }[] = [];
    const takeFirst = async () => {
      const { item, result } = underWay.shift()!;
      await take(await result, item);
      freeBuffers();
    };
    try {
      for (const item of items) {
        signal?.throwIfAborted();
        const result = this.run(kind, jobOf(item));
        result.catch(() => {});
        underWay.push({ item, result });
        if (underWay.length >= this.threads * 2) await takeFirst();
      }
      while (underWay.length > 0) {
        signal?.throwIfAborted();
        await takeFirst();
      }
    } finally {
      await Promise.allSettled(underWay.map(({ result }) => result));
    }
  }

  async close(): Promise<void> {
    this.#failure ??= new Error('the threads were ended');
    this.#inline?.close();
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }

  /** Others get their turn between two jobs. */
  async #runInline<Result>(runner: JobRunner, job: { kind: JobKind }): Promise<Result> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    return runner.run(job) as Result;
  }

  #next(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const worker = this.#idle.pop()!;
      const waiting = this.#queue.shift()!;
      this.#running.set(worker, waiting);
      worker.ref();
      worker.postMessage(waiting.job);
    }
  }

  #answered(worker: Worker, answer: Answer): void {
    const waiting = this.#running.get(worker);
    this.#running.delete(worker);
    worker.unref();
    this.#idle.push(worker);
    if ('error' in answer)
      waiting?.reject(answer.code === undefined ? answer.error : Object.assign(answer.error, { code: answer.code }));
    else waiting?.resolve(answer.result);
    this.#next();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of [...this.#running.values(), ...this.#queue]) reject(this.#failure);
    this.#running.clear();
    this.#queue.length = 0;
  }
}
