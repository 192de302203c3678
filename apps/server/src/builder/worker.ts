import type { Clock } from '@starling/shared/clock.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Signer, TrustedKeys } from '@starling/shared/signing.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import { AttemptEnd, verdictOn } from './attempt-end.ts';
import { buildAttempt } from './build-attempt.ts';
import { BuildCache } from './build-cache.ts';
import { almostFull, type FreeBytes, systemFreeBytes, watchDisk } from './disk-watch.ts';
import { insist, within } from './insist.ts';
import { JobLog } from './job-log.ts';
import { Mirrors } from './mirror.ts';
import type { Attempt, JobQueue, TakeOptions } from './ports.ts';
import { openWorkHome, type WorkHome } from './work-home.ts';

// A worker takes one job at a time and sees it to its end. Three things can break an attempt off from outside: the
// heartbeat, when the queue says that the attempt is no longer ours; its deadline; and the worker's own stop. All
// three, and the watch over the disk, abort one signal with the reason, and everything that runs ends by it.

export interface WorkerOptions {
  /** What the worker is called in the queue, unlike any other. */
  name: string;
  /** What it can do; it gets only jobs that ask for some of these, or for nothing. */
  labels?: Record<string, string>;
  /** Holds mirrors and the work folders; on a disk that has room for checkouts and artifacts. */
  dataDir: string;
  queue: JobQueue;
  /** The main blob store. */
  blobs: BlobStore;
  /** Signs manifests. */
  signer: Signer;
  /** Whose manifests chunks are borrowed by. */
  trusted: TrustedKeys;
  /** What trees of earlier builds may take on this machine, in bytes; 20 GiB by default. */
  treeBudgetBytes?: number;
  clock: Clock;
  log: Logger;
  /** What recipes find in their environment besides Starling's own: PATH, HOME, LANG. */
  environment: Record<string, string>;
  /** The longest pause between two looks into the queue, in milliseconds; 2 s by default. */
  pollMs?: number;
  /** 15 s by default. */
  heartbeatMs?: number;
  /** Free space below which a recipe is stopped and no job is taken, in bytes; 512 MiB by default. */
  minFreeBytes?: number;
  /** How much is free; asks the system by default. */
  freeBytesOf?: FreeBytes;
  /** How long a recipe that is ended has between SIGTERM and SIGKILL, in milliseconds; 5 s by default. */
  graceMs?: number;
  /** Called after each build that was recorded. */
  onCompleted?: (buildId: string) => void;
}

export interface Worker {
  /** Looks into the queue now. */
  wake(): void;
  /** Asks now whether the current attempt is still ours, rather than at the next heartbeat. */
  recheck(): void;
  /**
   * Takes no more jobs and resolves when nothing runs any more. The current job has `drainMs` to come to its end (0 when
   * left out), or until `hurry` is aborted; then it is put back into the queue.
   */
  stop(how?: { drainMs?: number; hurry?: AbortSignal }): Promise<void>;
}

const longestRestMs = 60_000;
/** A timer that is set for longer goes off at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Starts a worker, after clearing away what an earlier one of the same name left. CONFLICT when that one still runs. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const home = await openWorkHome(options.dataDir, options.name, options.log);
  const { clock, log } = options;
  const bench = new Bench(options, home);
  const loop = new Loop({ name: `worker ${options.name}`, everyMs: options.pollMs ?? 2_000, clock, log, pass });
  let leaving = false;
  let passing: Promise<void> = Promise.resolve();
  loop.start();
  return {
    wake: () => loop.nudge(),
    recheck: () => bench.recheck(),
    async stop({ drainMs = 0, hurry } = {}) {
      leaving = true;
      if (drainMs > 0) await atMost(drainMs, passing, hurry);
      await loop.stop();
      await home.close();
    },
  };

  function pass(stopping: AbortSignal): Promise<void> {
    passing = takeAndWork(stopping);
    return passing;
  }

  /** Waits for `ended`, but neither longer than this nor once `hurry` is aborted. */
  async function atMost(milliseconds: number, ended: Promise<void>, hurry?: AbortSignal): Promise<void> {
    const over = new AbortController();
    const sleep = clock.sleep(milliseconds, hurry ? AbortSignal.any([over.signal, hurry]) : over.signal);
    await Promise.race([ended.catch(() => {}), sleep]);
    over.abort();
  }

  async function takeAndWork(stopping: AbortSignal): Promise<void> {
    let next: Attempt | undefined;
    // What was taken is worked on even while the worker stops: that is how it is put back.
    for (let troubles = 0; next !== undefined || (!stopping.aborted && !leaving); ) {
      if (next === undefined) {
        const full = await bench.whyFull();
        if (full !== undefined) return log.error(`no job is taken: ${full}`);
        [next] = await within(clock, 30_000, 'the job queue', options.queue.take(options.name, bench.oneJob));
        if (next === undefined) return;
      }
      const ended = await bench.work(next, stopping, () => !leaving && !stopping.aborted);
      const { trouble } = ended;
      next = ended.next;
      // When a store or the network is down, jobs are not to use up their attempts within a second.
      troubles = trouble ? troubles + 1 : 0;
      if (trouble) await clock.sleep(Math.min(longestRestMs, 1_000 * 2 ** (troubles - 1)), stopping);
    }
  }
}

interface Ended {
  /** Whether it met trouble that is likely to meet the next one as well. */
  trouble: boolean;
  /** The next job, when it was taken with the end of this one. */
  next?: Attempt | undefined;
}

class Bench {
  readonly #minFreeBytes: number;
  readonly #freeBytesOf: FreeBytes;
  readonly #options: WorkerOptions;
  readonly #home: WorkHome;
  readonly #mirrors: Mirrors;
  readonly #cache: BuildCache;
  #rest = new AbortController();

  constructor(options: WorkerOptions, home: WorkHome) {
    this.#options = options;
    this.#home = home;
    this.#minFreeBytes = options.minFreeBytes ?? 512 * 1024 * 1024;
    this.#freeBytesOf = options.freeBytesOf ?? systemFreeBytes;
    const { blobs, clock, log, treeBudgetBytes: budgetBytes = 20 * 2 ** 30, trusted } = options;
    this.#cache = new BuildCache({ folder: home.builds, blobs, trusted, budgetBytes, log });
    this.#mirrors = new Mirrors({ folder: home.mirrors, clock, log, processes: home.processes });
  }

  recheck(): void {
    this.#rest.abort();
  }

  get oneJob(): TakeOptions {
    return { labels: this.#options.labels ?? {}, limit: 1 };
  }

  /** What is said of a disk that has no room for a job; undefined when it has. */
  whyFull(): Promise<string | undefined> {
    return almostFull(this.#home.work, this.#minFreeBytes, this.#freeBytesOf);
  }

  /** Sees one attempt to its end; takes the next job with a good one, when `wantsMore` says so then. */
  async work(attempt: Attempt, stopping: AbortSignal, wantsMore: () => boolean): Promise<Ended> {
    const { clock, queue, log } = this.#options;
    const startedAt = clock.now();
    const jobLog = new JobLog({
      append: (sequence, text) => queue.appendLog(attempt, sequence, text),
      clock,
      log,
    });
    const brokenOff = new AbortController();
    const over = new AbortController();
    const watches = this.#watch(attempt, brokenOff, over.signal, stopping);
    try {
      const took = () => formatDuration(clock.now() - startedAt);
      try {
        return { trouble: false, next: await this.#build(attempt, jobLog, took, brokenOff.signal, wantsMore) };
      } catch (thrown) {
        const end = brokenOff.signal.aborted ? (brokenOff.signal.reason as unknown) : thrown;
        return { trouble: await this.#giveUp(attempt, jobLog, end, took()) };
      }
    } finally {
      over.abort();
      await watches;
      await jobLog.flush();
    }
  }

  async #build(
    attempt: Attempt,
    jobLog: JobLog,
    took: () => string,
    signal: AbortSignal,
    wantsMore: () => boolean,
  ): Promise<Attempt | undefined> {
    const { queue, blobs, signer, clock, log, environment, onCompleted, graceMs = 5_000 } = this.#options;
    const ask = <T>(call: () => Promise<T>) => insist({ clock, what: 'the job queue', tries: 8, signal }, call);
    jobLog.line(`attempt ${attempt.attempt} of job ${attempt.jobId}, by ${attempt.worker}`);
    const folder = await this.#home.openAttempt(`${attempt.jobId}-${attempt.attempt}`);
    try {
      const build = await buildAttempt({
        attempt,
        folder,
        mirrors: this.#mirrors,
        processes: this.#home.processes,
        blobs,
        signer,
        clock,
        jobLog,
        environment,
        graceMs,
        minFreeBytes: this.#minFreeBytes,
        freeBytesOf: this.#freeBytesOf,
        signal,
        enterStage: (stage) => ask(() => queue.enterStage(attempt, stage)),
        reserveBuildId: () => ask(() => queue.reserveBuildId(attempt)),
        liveBuilds: (most) => ask(() => queue.liveBuilds(attempt, most)),
        recordPack: (pack) => ask(() => queue.recordPack(attempt, pack)),
        recordCommits: (commits) => ask(() => queue.recordCommits(attempt, commits)),
        cache: this.#cache,
      });
      // Before the job is over, so that whoever sees it over sees its whole log.
      jobLog.line(`finished after ${took()}: build ${build.buildId}`);
      await jobLog.flush();
      signal.throwIfAborted();
      const more = wantsMore() && (await this.whyFull()) === undefined ? this.oneJob : undefined;
      const { recorded, next } = await ask(() => queue.complete(attempt, build, more));
      if (!recorded) throw notOurs();
      log.info({ job: attempt.jobId, build: build.buildId }, 'build complete');
      onCompleted?.(build.buildId);
      return next[0];
    } finally {
      await folder.remove().catch((thrown) => log.warn({ err: thrown }, 'a work folder could not be removed'));
    }
  }

  async #giveUp(attempt: Attempt, jobLog: JobLog, thrown: unknown, after: string): Promise<boolean> {
    const { queue, clock, log } = this.#options;
    const { reason, retry } = verdictOn(thrown);
    log.warn({ job: attempt.jobId, attempt: attempt.attempt, retry, err: thrown }, `attempt ended: ${reason}`);
    jobLog.line(`failed after ${after}: ${reason}`);
    if (thrown instanceof AttemptEnd && !thrown.ours) return false;
    await jobLog.flush();
    try {
      await insist({ clock, what: 'the job queue', tries: 5 }, () => queue.fail(attempt, reason, retry));
    } catch (again) {
      // The monitor takes the job back when its heartbeat is stale.
      log.error({ err: again, job: attempt.jobId }, `the queue was not told of a failure: ${messageOf(again)}`);
    }
    return retry;
  }

  /** Runs all that may break the attempt off, until it is over. */
  async #watch(attempt: Attempt, brokenOff: AbortController, over: AbortSignal, stopping: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const breakOff = (reason: AttemptEnd) => brokenOff.abort(reason);
    const onStop = () => breakOff(new AttemptEnd('the worker was stopped', { retry: true }));
    stopping.addEventListener('abort', onStop, { once: true });
    if (stopping.aborted) onStop();
    const left = Math.min(longestTimerMs, Math.max(0, attempt.deadlineAt - clock.now()));
    const deadline = clock.sleep(left, over).then(() => {
      if (!over.aborted) breakOff(new AttemptEnd('the build took longer than its deadline', { retry: false }));
    });
    const disk = watchDisk({
      folder: this.#home.work,
      minFreeBytes: this.#minFreeBytes,
      freeBytesOf: this.#freeBytesOf,
      clock,
      signal: over,
      onAlmostFull: (reason) => breakOff(new AttemptEnd(`${reason}; the build was ended`, { retry: true })),
    });
    try {
      await Promise.all([deadline, disk, this.#heartbeat(attempt, over, () => breakOff(notOurs()))]);
    } finally {
      stopping.removeEventListener('abort', onStop);
    }
  }

  async #heartbeat(attempt: Attempt, over: AbortSignal, onLost: () => void): Promise<void> {
    const { clock, queue, log, heartbeatMs = 15_000 } = this.#options;
    for (;;) {
      this.#rest = new AbortController();
      await clock.sleep(heartbeatMs, AbortSignal.any([over, this.#rest.signal]));
      if (over.aborted) return;
      try {
        if (await within(clock, 2 * heartbeatMs, 'the heartbeat', queue.heartbeat(attempt))) continue;
      } catch (thrown) {
        // Whether the attempt is still ours is known when the queue answers again.
        log.warn({ err: thrown, job: attempt.jobId }, `a heartbeat failed: ${messageOf(thrown)}`);
        continue;
      }
      if (!over.aborted) onLost();
      return;
    }
  }
}

const notOurs = () =>
  new AttemptEnd('the attempt was taken away: cancelled, over its deadline, or given to another worker', {
    ours: false,
    retry: false,
  });
