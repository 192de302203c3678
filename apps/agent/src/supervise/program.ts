import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { isGroupOf, signalGroup } from '@starling/host/process-group.ts';
import { startOf } from '@starling/host/process-mark.ts';
import type { Clock } from '@starling/shared/clock.ts';
import type { ProgramLimits } from '@starling/shared/lifecycle.ts';
import { throwIfAborted, untilAborted } from '../lib/abort.ts';
import { isWatched, type Watched, watchLimits } from './limit-watch.ts';

/** Why a program was started: for an update, to go back to the earlier build, or because it had exited. */
export type StartReason = 'update' | 'revert' | 'restart';

/** What is written down of the program that runs. */
export interface ProgramRecord {
  launch: string;
  build: string;
  deployment: number;
  reason: StartReason;
  port: number | null;
  /** Where this run's lines begin in the log. */
  logStart: number;
  /** What its build may use. */
  limits?: ProgramLimits;
  /** Null from before the start until the process is known. */
  process: { pid: number; identity: string } | null;
}

/**
 * How a program ended: `exited with code 3`, `was ended by SIGSEGV`, `was ended for using more …`, `is gone` when
 * nobody was there to see.
 */
export interface ProgramExit {
  text: string;
  /** What else it did, for example `used 301.2 MiB when it was looked at`. */
  remark?: string;
}

/** How it ended, with the remark as a line of its own. */
export const inLines = ({ text, remark }: ProgramExit): string => (remark ? `${text}\nIt ${remark}.` : text);

const lookEveryMs = 500;
const stopLookEveryMs = 25;
const afterKillMs = 10_000;

/** A program that was started by this agent, or by the one before it and adopted. */
export class Program implements Watched {
  readonly record: ProgramRecord & { process: { pid: number; identity: string } };
  readonly #exit: Promise<ProgramExit> | undefined;
  readonly #clock: Clock;
  readonly #howItEnded: (() => Promise<ProgramExit | undefined>) | undefined;
  #endedFor: ProgramExit | undefined;

  constructor(
    record: Program['record'],
    exit: Promise<ProgramExit> | undefined,
    clock: Clock,
    howItEnded?: () => Promise<ProgramExit | undefined>,
  ) {
    this.record = record;
    this.#clock = clock;
    this.#exit = exit;
    this.#howItEnded = howItEnded;
  }

  get pid(): number {
    return this.record.process.pid;
  }

  /** Holds it to its limits until it has ended or `signal` is aborted: whoever breaks them is ended at once. */
  async watchLimits(signal: AbortSignal): Promise<void> {
    const { limits } = this.record;
    if (isWatched(limits)) await watchLimits(this, limits, this.#clock, signal);
  }

  /** Kills it with its group and these processes; `exit` is how it ended from now on. */
  endFor(exit: ProgramExit, pids: readonly number[]): void {
    this.#endedFor ??= exit;
    signalGroup(this.pid, 'SIGKILL');
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It went with its group.
      }
    }
  }

  isAlive(): boolean {
    return startOf(this.record.process.pid) === this.record.process.identity;
  }

  /** Waits until the program's first process has ended. Rejects with Aborted. */
  async untilExit(signal: AbortSignal): Promise<ProgramExit> {
    if (this.#exit) {
      const exit = await untilAborted(this.#exit, signal);
      return this.#endedFor ?? exit;
    }
    // An adopted program is no child of ours, so there is nobody to tell us.
    while (this.isAlive()) {
      await this.#clock.sleep(lookEveryMs, signal);
      throwIfAborted(signal);
    }
    if (this.#endedFor) return this.#endedFor;
    const known = await this.#howItEnded?.().catch(() => undefined);
    return known ?? { text: 'is gone' };
  }

  /**
   * Ends the program's whole process group: SIGTERM, then SIGKILL after `graceMs`. Also takes what the group left
   * behind when the first process is gone. Resolves to false when something is still there 10 s after SIGKILL.
   * Rejects with Aborted; stopping again then goes on.
   */
  async stop(graceMs: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#groupIsOurs()) return true;
    signalGroup(this.record.process.pid, 'SIGTERM');
    if (await this.#gone(graceMs, signal)) return true;
    signalGroup(this.record.process.pid, 'SIGKILL');
    return this.#gone(afterKillMs, signal);
  }

  #groupIsOurs(): boolean {
    const { pid, identity } = this.record.process;
    return isGroupOf({ pid, started: identity });
  }

  async #gone(withinMs: number, signal: AbortSignal): Promise<boolean> {
    const until = this.#clock.now() + withinMs;
    for (;;) {
      if (!this.#groupIsOurs()) return true;
      if (this.#clock.now() >= until) return false;
      await this.#clock.sleep(stopLookEveryMs, signal);
      throwIfAborted(signal);
    }
  }
}

/** Settles when a child of this process has ended. */
export function exitOf(child: ChildProcess): Promise<ProgramExit> {
  return new Promise((resolve) => {
    const done = (code: number | null, signal: string | null) =>
      resolve({ text: signal ? `was ended by ${signal}` : `exited with code ${code}${signalIn(code)}` });
    if (child.exitCode !== null || child.signalCode !== null) return done(child.exitCode, child.signalCode);
    child.once('exit', done);
  });
}

/** A shell whose command was ended by a signal says so by an exit code above 128. */
function signalIn(code: number | null): string {
  const name = Object.entries(constants.signals).find(([, number]) => number + 128 === code)?.[0];
  return name === undefined ? '' : `, which shells say of ${name}`;
}
