import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';

export interface ChildOptions {
  name: string;
  /** A TypeScript program of this workspace and its arguments, run under this process's Node. */
  program: string;
  programArguments: string[];
  /** For Node itself. */
  nodeArguments?: string[];
  environment: Record<string, string>;
  logFile: string;
  /** Whether the program says over IPC that it is ready; otherwise it counts as ready once it runs. */
  saysReady: boolean;
  clock?: Clock;
}

const longestLogBytes = 10 * 1024 * 1024;
const readyDeadlineMs = 60_000;
const stopDeadlineMs = 20_000;
const firstRestartMs = 250;
const longestRestartMs = 10_000;
/** With this code a program says that starting it again does not help. */
const hopeless = 2;

/**
 * One process of the local fleet: started again, with growing pauses, whenever it ends by itself. It holds an IPC
 * channel to us and ends when we do, however we end.
 */
export class Child {
  readonly name: string;
  readonly #options: ChildOptions;
  readonly #clock: Clock;
  #process: ChildProcess | undefined;
  #wanted = false;
  #ready = unheard();
  #ended: Promise<void> = Promise.resolve();
  #restarts = 0;
  readonly #restarting = new AbortController();

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  start(): this {
    this.#wanted = true;
    this.#launch();
    return this;
  }

  /** Resolves when the process that runs now is ready. TIMEOUT, or what it said in the end when it ended for good reasons. */
  async ready(): Promise<void> {
    const deadline = new AbortController();
    try {
      await Promise.race([
        this.#ready.promise,
        this.#clock.sleep(readyDeadlineMs, deadline.signal).then(() => {
          if (deadline.signal.aborted) return;
          throw new StarlingError('TIMEOUT', `${this.name} did not become ready; its log is ${this.#options.logFile}`);
        }),
      ]);
    } finally {
      deadline.abort();
    }
  }

  /** Kills the process as a crash would; it is started again. Resolves once it is gone. */
  async crash(): Promise<void> {
    const ended = this.#ended;
    this.#process?.kill('SIGKILL');
    await ended;
  }

  /** Asks the process to end, and kills it if it does not. */
  async stop(): Promise<void> {
    this.#wanted = false;
    this.#restarting.abort();
    this.#process?.kill('SIGTERM');
    const deadline = new AbortController();
    void this.#clock.sleep(stopDeadlineMs, deadline.signal).then(() => {
      if (!deadline.signal.aborted) this.#process?.kill('SIGKILL');
    });
    await this.#ended;
    deadline.abort();
  }

  #launch(): void {
    const { program, programArguments, nodeArguments = [], environment, logFile, saysReady } = this.#options;
    rotate(logFile);
    const log = openSync(logFile, 'a');
    const saidBefore = fstatSync(log).size;
    const child = spawn(process.execPath, [...nodeArguments, program, ...programArguments], {
      env: environment,
      // A group of its own: Ctrl-C in the terminal reaches us alone, and we end the rest in order.
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#process = child;
    if (saysReady) {
      child.on('message', (message) => {
        if (typeof message === 'object' && message !== null && 'ready' in message) this.#ready.resolve();
      });
    } else {
      child.once('spawn', () => this.#ready.resolve());
    }
    const startedAt = this.#clock.now();
    this.#ended = new Promise((resolve) => {
      child.once('error', () => resolve());
      child.once('exit', (code) => {
        if (code === hopeless) this.#ready.reject(lastWords(this.name, logFile, saidBefore));
        resolve();
      });
    });
    void this.#ended.then(async () => {
      this.#process = undefined;
      if (!this.#wanted) return;
      this.#ready = unheard();
      // One that ran for a while is started again at once; one that keeps falling over gets growing pauses.
      this.#restarts = this.#clock.now() - startedAt > longestRestartMs ? 1 : this.#restarts + 1;
      await this.#clock.sleep(
        Math.min(firstRestartMs * 2 ** (this.#restarts - 1), longestRestartMs),
        this.#restarting.signal,
      );
      if (this.#wanted) this.#launch();
    });
  }
}

/** A promise that may be rejected while nobody waits for it. */
function unheard(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>();
  made.promise.catch(() => {});
  return made;
}

/** What a program said to people, its log's own lines left out. */
function lastWords(name: string, logFile: string, from: number): StarlingError {
  const lines = readFileSync(logFile).subarray(from).toString('utf8').trim().split('\n');
  const [message = '', ...fix] = lines.filter((line) => !line.startsWith('{'));
  return new StarlingError('CONFLICT', message || `${name} cannot be started; its log is ${logFile}`, {
    ...(fix.length > 0 && { fix: fix.join('\n') }),
  });
}

function rotate(logFile: string): void {
  try {
    if (statSync(logFile).size > longestLogBytes) renameSync(logFile, `${logFile}.1`);
  } catch {
    // There is none yet.
  }
}
