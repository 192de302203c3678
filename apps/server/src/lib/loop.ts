import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Logger } from './log.ts';

export interface LoopOptions {
  name: string;
  /** The longest pause between two passes, in milliseconds; `nudge` ends it early. */
  everyMs: number;
  clock: Clock;
  log: Logger;
  /** One pass. What it throws is logged, and the next pass comes after the pause. */
  pass: (signal: AbortSignal) => Promise<void>;
}

/** A pass that is repeated until stopped: never two at once, at once when nudged, and no failure ends it. */
export class Loop {
  readonly #options: LoopOptions;
  readonly #stopping = new AbortController();
  #pause = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** Asks for a pass now; if one is under way, for another right after it. */
  nudge(): void {
    this.#pause.abort();
  }

  /** Tells the running pass to end and waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pause.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, everyMs, log, name, pass } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#pause = new AbortController();
      try {
        await pass(this.#stopping.signal);
      } catch (thrown) {
        if (!this.#stopping.signal.aborted) log.error({ err: thrown }, `${name}: pass failed: ${messageOf(thrown)}`);
      }
      if (!this.#stopping.signal.aborted) await clock.sleep(everyMs, this.#pause.signal);
    }
  }
}
