import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import { startOf } from '@starling/host/process-mark.ts';
import type { Clock } from '@starling/shared/clock.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import type { LifecycleEvent } from '@starling/shared/lifecycle.ts';
import type { RunSpec } from '@starling/shared/manifest.ts';
import { Aborted, throwIfAborted } from '../lib/abort.ts';
import { confinement, ownUser } from './confinement.ts';
import { Launches } from './launch.ts';
import { exitOf, inLines, Program, type ProgramExit } from './program.ts';
import { ProgramLog } from './program-log.ts';

export interface HookOrder {
  event: LifecycleEvent;
  build: string;
  deployment: number;
  run: RunSpec;
  folder: string;
  environment: Record<string, string>;
}

/** Between SIGTERM and SIGKILL of a hook that took too long, or whose step was left. */
const graceMs = 2_000;
const never = new AbortController().signal;

/**
 * Runs the hooks of one project, one at a time. A hook ends with its whole process group, whatever the reason. What an
 * agent that was killed in the middle of one left running is ended before anything else runs; the step then begins
 * anew, and its hook with it.
 */
export class HookHost {
  readonly log: ProgramLog;
  readonly #launches: Launches;
  readonly #folder: string;
  readonly #recordPath: string;
  readonly #clock: Clock;

  constructor(projectFolder: string, clock: Clock) {
    this.log = new ProgramLog(projectFolder, 'hooks');
    this.#folder = join(projectFolder, 'hook');
    this.#launches = new Launches(this.#folder);
    this.#recordPath = join(this.#folder, 'hook.json');
    this.#clock = clock;
  }

  /** Resolves to undefined when the hook passed or there is none, else to what went wrong, with its last lines. */
  async run({ event, build, deployment, run, folder, environment }: HookOrder, signal: AbortSignal) {
    const hook = run.hooks?.[event];
    if (!hook) return undefined;
    throwIfAborted(signal);
    await this.endRemains();
    const become = confinement(run, ownUser());
    const { file } = await this.log.openForRun();
    try {
      await file.write(
        `--- ${new Date(this.#clock.now()).toISOString()} ${event} of ${build}, deployment ${deployment}\n`,
      );
      const logStart = (await file.stat()).size;
      const launch = await this.#launches.permit();
      const { limits } = run;
      const record = {
        ...{ launch, build, deployment, reason: 'update' as const, port: null, logStart },
        ...(limits !== undefined && { limits }),
      };
      await this.#write({ launch, process: null });
      const child = await this.#launches.start(launch, {
        command: hook.command,
        become,
        folder,
        environment,
        logFd: file.fd,
      });
      const pid = child.pid as number;
      const process = { pid, identity: startOf(pid) ?? 'gone' };
      await this.#write({ launch, process });
      const program = new Program({ ...record, process }, exitOf(child), this.#clock);
      const found = await this.#untilEnd(program, hook.timeoutMs, signal);
      await rm(this.#recordPath, { force: true });
      if (found === undefined) return undefined;
      const tail = await this.log.tail(logStart);
      return `${event} of ${build} ${found}${tail === '' ? '' : `\nIts last lines:\n${tail}`}`;
    } finally {
      await file.close();
    }
  }

  /** Ends what is left of a hook that an earlier agent began. */
  async endRemains(): Promise<void> {
    const record = parseRecord(await readIfThere(this.#recordPath));
    const process = record && (record.process ?? (await this.#launches.recover(record.launch)));
    if (process) await this.#programOf(process).stop(graceMs, never);
    await rm(this.#recordPath, { force: true });
  }

  async #untilEnd(program: Program, timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
    const late = new AbortController();
    const done = new AbortController();
    const timer = this.#clock.sleep(timeoutMs, AbortSignal.any([done.signal, signal])).then(() => {
      if (!done.signal.aborted && !signal.aborted) late.abort();
    });
    const watching = program.watchLimits(AbortSignal.any([done.signal, signal]));
    let exit: ProgramExit | undefined;
    try {
      exit = await program.untilExit(AbortSignal.any([signal, late.signal]));
    } catch (thrown) {
      if (!(thrown instanceof Aborted)) throw thrown;
    } finally {
      done.abort();
      await Promise.all([timer, watching]);
      await program.stop(graceMs, never);
    }
    throwIfAborted(signal);
    if (!exit) return `did not end within ${formatDuration(timeoutMs)}; it was ended`;
    return exit.text === 'exited with code 0' ? undefined : inLines(exit);
  }

  #programOf(process: { pid: number; identity: string }): Program {
    const record = {
      launch: '',
      build: '',
      deployment: 0,
      reason: 'update' as const,
      port: null,
      logStart: 0,
      process,
    };
    return new Program(record, undefined, this.#clock);
  }

  async #write(record: HookRecord): Promise<void> {
    await makeFolder(this.#folder);
    await writeDurably(this.#recordPath, `${JSON.stringify(record)}\n`);
  }
}

interface HookRecord {
  launch: string;
  process: { pid: number; identity: string } | null;
}

function parseRecord(text: string | undefined): HookRecord | undefined {
  try {
    const record = JSON.parse(text ?? '') as HookRecord;
    return typeof record.launch === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}
