import type { Clock } from '@starling/shared/clock.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Target } from '@starling/shared/version-key.ts';
import type { Logger } from 'pino';
import { Aborted } from '../lib/abort.ts';
import type { SlotStore } from '../slots/slot-store.ts';
import type { Program } from './program.ts';
import type { ProgramHost } from './program-host.ts';

export interface SupervisorOptions {
  programs: ProgramHost;
  slots: SlotStore;
  clock: Clock;
  log: Logger;
  /** Something to tell the people who watch the machine. */
  note: (detail: string) => void;
  /** The program exited once too often in a row; it is still started again until it is let go. */
  onCrashLoop: (reason: string) => void;
}

const firstPauseMs = 1_000;
const maxPauseMs = 30_000;
/** A program that ran this long has recovered: the next exit begins with the first pause again. */
const steadyAfterMs = 60_000;
/** With the pauses between them, some 15 s of trying. */
const crashLoopExits = 5;

/** Keeps the committed program running: starts it again when it exits, after a pause of 1 s doubling to 30 s. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #watch: { build: string; abort: AbortController; done: Promise<void> } | undefined;
  #exits = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Whether the program exited and has not yet run steadily since. */
  get isTroubled(): boolean {
    return this.#exits > 0;
  }

  /** Keeps `target` running from now on; nothing changes when it is kept running already. */
  async watch(target: Target): Promise<void> {
    if (this.#watch?.build === target.build) return;
    await this.release();
    this.#exits = 0;
    const abort = new AbortController();
    const running = this.#keepRunning(target, abort.signal).catch((thrown) => {
      if (!(thrown instanceof Aborted)) this.#say(`the program is not supervised any more: ${messageOf(thrown)}`);
    });
    const { clock, log, programs } = this.#options;
    const logging = programs.log
      .keepSmall(clock, abort.signal)
      .catch((thrown) => log.warn({ err: thrown }, `the program's log is not kept small: ${messageOf(thrown)}`));
    const done = Promise.all([running, logging]).then(() => undefined);
    this.#watch = { build: target.build, abort, done };
  }

  /** Stops keeping it running; the program itself goes on. Nothing is started after this has resolved. */
  async release(): Promise<void> {
    const watch = this.#watch;
    this.#watch = undefined;
    watch?.abort.abort();
    await watch?.done;
  }

  async #keepRunning(target: Target, signal: AbortSignal): Promise<void> {
    const { clock, programs } = this.#options;
    const manifest = await this.#options.slots.manifest(target);
    if (manifest?.run.command === null) return;
    const found = await programs.running();
    let program = found?.record.build === target.build ? found : undefined;
    if (!program) this.#say('the program was found not running; it is started');
    while (!signal.aborted) {
      const startedAt = clock.now();
      program ??= await this.#start(target, signal);
      if (signal.aborted) return;
      const ended = program ? await this.#untilExit(program, signal) : undefined;
      if (clock.now() - startedAt >= steadyAfterMs) this.#exits = 0;
      const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(this.#exits, 10));
      this.#exits += 1;
      if (ended) this.#say(`the program ${ended}; it is started again in ${formatDuration(pauseMs)}`);
      if (this.#exits >= crashLoopExits)
        this.#options.onCrashLoop(
          `the program keeps exiting, ${this.#exits} times in a row${ended ? `: it ${ended}` : ''}`,
        );
      await clock.sleep(pauseMs, signal);
      program = undefined;
    }
  }

  async #untilExit(program: Program, signal: AbortSignal): Promise<string> {
    const steady = new AbortController();
    const forget = this.#options.clock.sleep(steadyAfterMs, AbortSignal.any([signal, steady.signal])).then(() => {
      if (!signal.aborted && !steady.signal.aborted) this.#exits = 0;
    });
    try {
      const { text, remark } = await program.untilExit(signal);
      const tail = await this.#options.programs.log.tail(program.record.logStart);
      const last = tail === '' ? undefined : `its last line: ${tail.split('\n').at(-1)?.slice(0, 300)}`;
      const more = [remark && `it ${remark}`, last].filter((part) => part !== undefined).join('; ');
      return more === '' ? text : `${text} (${more})`;
    } finally {
      steady.abort();
      await forget;
    }
  }

  /** Starts the program; what an earlier run left of its group goes first. */
  async #start(target: Target, signal: AbortSignal): Promise<Program | undefined> {
    const { programs, slots } = this.#options;
    try {
      const { run } = await slots.needManifest(target);
      await programs.stop(run.stopGraceMs, signal);
      return await programs.launch(target, run, slots.folder(target), 'restart');
    } catch (thrown) {
      if (thrown instanceof Aborted) throw thrown;
      this.#say(`the program could not be started again: ${messageOf(thrown)}`);
      return undefined;
    }
  }

  #say(detail: string): void {
    this.#options.log.warn(detail);
    this.#options.note(detail);
  }
}
