import type { RunSpec } from '@starling/shared/manifest.ts';
import type { ProgramExit } from './program.ts';

/** What there is to say of a process wherever it was started. */
export interface StartedProcess {
  pid: number;
  identity: string;
}

export interface StartOrder {
  build: string;
  run: RunSpec;
  command: string;
  folder: string;
  environment: Record<string, string>;
  /** The open log, and its path. */
  logFd: number;
  logPath: string;
}

/** Who starts and ends the program of a project: a shell of the agent's own, or systemd. */
export interface Starter {
  /** Whether it holds all of the program to its limits, so that the agent need not look. */
  readonly holdsLimits: boolean;
  /** Gives permission for one launch; its name is to be written down before `start`. */
  permit(): Promise<string>;
  /** Starts the program. Rejects when it cannot be started, PRECONDITION_FAILED when not as the user it names. */
  start(name: string, order: StartOrder): Promise<StartedProcess & { untilExit?: Promise<ProgramExit> }>;
  /** After a kill in the middle of a launch: the process if it has begun; otherwise it never will. */
  recover(name: string): Promise<StartedProcess | undefined>;
  /** How a process that was seen to be gone had ended, where that is known. */
  howItEnded?(limits: RunSpec['limits']): Promise<ProgramExit | undefined>;
  /** Ends the program; left out where its process group is simply signalled. */
  end?(graceMs: number): Promise<void>;
}
