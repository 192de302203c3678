import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, readIfThere, syncFolder, writeDurably } from '@starling/host/durable-file.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { RunSpec } from '@starling/shared/manifest.ts';
import type { Target } from '@starling/shared/version-key.ts';
import { chooseFreePort } from './free-port.ts';
import { ShellStarter } from './launch.ts';
import { Program, type ProgramExit, type ProgramRecord, type StartReason } from './program.ts';
import { ProgramLog } from './program-log.ts';
import type { Starter } from './starter.ts';

export interface ProgramHostOptions {
  project: string;
  projectFolder: string;
  /** What every program inherits, and who it runs for: PATH and the like, STARLING_MACHINE, STARLING_REGION. */
  environment: Record<string, string>;
  clock: Clock;
  /** A shell of the agent's own when left out. */
  starter?: Starter;
}

/** Runs the one program of a project, and knows of it over restarts of the agent. */
export class ProgramHost {
  readonly log: ProgramLog;
  readonly #options: ProgramHostOptions;
  readonly #starter: Starter;
  readonly #recordPath: string;
  readonly #portPath: string;
  #program: Program | undefined;
  #looked = false;
  #watching = new AbortController();

  constructor(options: ProgramHostOptions) {
    this.#options = options;
    this.log = new ProgramLog(options.projectFolder);
    this.#starter = options.starter ?? new ShellStarter(options.projectFolder);
    this.#recordPath = join(options.projectFolder, 'program.json');
    this.#portPath = join(options.projectFolder, 'port');
  }

  /** The program that was started last and not stopped since, dead or alive: adopted when an earlier agent did so. */
  async latest(): Promise<Program | undefined> {
    if (this.#looked) return this.#program;
    const record = parseRecord(await readIfThere(this.#recordPath));
    if (record) {
      const process = record.process ?? (await this.#starter.recover(record.launch));
      if (process) {
        this.#program = this.#known({ ...record, process });
        if (!record.process) await this.#write({ ...record, process });
      }
    }
    this.#looked = true;
    return this.#program;
  }

  /** The program, when it is alive. */
  async running(): Promise<Program | undefined> {
    const program = await this.latest();
    return program?.isAlive() ? program : undefined;
  }

  /**
   * Starts a build's program in its slot; what ran before must have been stopped. PRECONDITION_FAILED when something
   * still runs, or the agent may not become the program's user, UNAVAILABLE when the program cannot be started or there is no free port.
   */
  async launch(target: Target, run: RunSpec, slotFolder: string, reason: StartReason): Promise<Program> {
    if (run.command === null) throw new StarlingError('PRECONDITION_FAILED', `${target.build} has no command to run`);
    if (await this.running())
      throw new StarlingError('PRECONDITION_FAILED', `a program of ${this.#options.project} already runs`);
    const port = run.port === 'auto' ? await this.#keepPort() : run.port;
    const { file, start } = await this.log.openForRun();
    try {
      const launch = await this.#starter.permit();
      const { build, deployment } = target;
      const record: ProgramRecord = {
        ...{ launch, build, deployment, reason, port, logStart: start, process: null },
        ...(run.limits !== undefined && { limits: run.limits }),
      };
      await this.#write(record);
      const { untilExit, ...process } = await this.#starter
        .start(launch, {
          build: target.build,
          run,
          command: run.command,
          folder: slotFolder,
          environment: this.environment(target.build, run, port),
          logFd: file.fd,
          logPath: this.log.path,
        })
        .catch((cause: Error) => {
          if (cause instanceof StarlingError) throw cause;
          throw new StarlingError('UNAVAILABLE', `the program could not be started: ${cause.message}`, { cause });
        });
      await this.#write({ ...record, process });
      this.#program = this.#known({ ...record, process }, untilExit);
      this.#looked = true;
      return this.#program;
    } finally {
      await file.close();
    }
  }

  /** Ends the program, if there is one, with its process group. TIMEOUT when it cannot be killed, Aborted. */
  async stop(graceMs: number, signal: AbortSignal): Promise<void> {
    const program = await this.latest();
    if (!program) return;
    await this.#starter.end?.(graceMs);
    if (!(await program.stop(graceMs, signal))) {
      throw new StarlingError('TIMEOUT', `the program with pid ${program.record.process.pid} could not be killed`);
    }
    this.leave();
    await rm(this.#recordPath, { force: true });
    await syncFolder(this.#options.projectFolder);
    this.#program = undefined;
  }

  /** Looks after the program no more; it goes on. */
  leave(): void {
    this.#watching.abort();
  }

  /** The environment of a build's program and of its health command. */
  environment(build: string, run: RunSpec, port: number | null): Record<string, string> {
    return {
      ...this.#options.environment,
      ...run.environment,
      ...(port === null ? {} : { PORT: String(port) }),
      STARLING_PROJECT: this.#options.project,
      STARLING_BUILD: build,
    };
  }

  #known(record: Program['record'], exit?: Promise<ProgramExit>): Program {
    const { howItEnded } = this.#starter;
    const program = new Program(
      record,
      exit,
      this.#options.clock,
      howItEnded && (() => howItEnded.call(this.#starter, record.limits)),
    );
    this.leave();
    this.#watching = new AbortController();
    if (!this.#starter.holdsLimits) void program.watchLimits(this.#watching.signal);
    return program;
  }

  /** The project's own port, the same for every build as long as it is free when it is needed. */
  async #keepPort(): Promise<number> {
    const known = Number(await readIfThere(this.#portPath));
    const port = await chooseFreePort(known > 0 && known < 65_536 ? known : undefined);
    if (port !== known) await writeDurably(this.#portPath, `${port}\n`);
    return port;
  }

  async #write(record: ProgramRecord): Promise<void> {
    await makeFolder(this.#options.projectFolder);
    await writeDurably(this.#recordPath, `${JSON.stringify(record)}\n`);
  }
}

function parseRecord(text: string | undefined): ProgramRecord | undefined {
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as ProgramRecord;
    return typeof record.launch === 'string' && typeof record.build === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}
