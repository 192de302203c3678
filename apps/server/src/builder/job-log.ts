import type { Clock } from '@starling/shared/clock.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Logger } from '../lib/log.ts';
import { insist } from './insist.ts';

export interface JobLogOptions {
  /** Writes one piece; `sequence` counts from 0. Writing a piece twice is harmless. */
  append: (sequence: number, text: string) => Promise<void>;
  clock: Clock;
  log: Logger;
  /** How long text may wait for more, in milliseconds. */
  flushMs?: number;
  /** The most characters in a piece. */
  pieceChars?: number;
  /** The most characters of output that are kept; the worker's own lines come on top. */
  outputChars?: number;
}

/**
 * The log of one attempt, written in pieces as it comes, so that it can be followed. Output beyond a limit is dropped,
 * and who writes faster than the pieces can be stored is made to wait.
 */
export class JobLog {
  readonly #options: Required<JobLogOptions>;
  #pending = '';
  #sequence = 0;
  #outputChars = 0;
  #cutOff = false;
  #atLineStart = true;
  #failing = false;
  #hurry = new AbortController();
  #pump: Promise<void> | undefined;
  #roomWaiters: (() => void)[] = [];

  constructor(options: JobLogOptions) {
    this.#options = { flushMs: 200, pieceChars: 16 * 1024, outputChars: 16 * 1024 * 1024, ...options };
  }

  /** A line of the worker's own; never dropped. */
  line(text: string): void {
    this.#add(`${this.#atLineStart ? '' : '\n'}${text}\n`);
  }

  /** Output of the recipe, any piece of text. Resolves when there is room for more. */
  async output(text: string): Promise<void> {
    if (this.#cutOff) return;
    this.#outputChars += text.length;
    if (this.#outputChars > this.#options.outputChars) {
      this.#cutOff = true;
      this.line(`log cut off at ${formatBytes(this.#options.outputChars)}`);
      return;
    }
    this.#add(text);
    while (this.#pending.length > 8 * this.#options.pieceChars)
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Resolves when all that was said so far is stored, or could not be. */
  async flush(): Promise<void> {
    this.#hurry.abort();
    while (this.#pump) {
      await this.#pump;
      this.#hurry.abort();
    }
  }

  #add(text: string): void {
    // PostgreSQL keeps no NUL in a text.
    this.#pending += text.replaceAll('\0', '\uFFFD');
    if (text !== '') this.#atLineStart = text.endsWith('\n');
    if (this.#pending.length >= this.#options.pieceChars) this.#hurry.abort();
    this.#pump ??= this.#run().finally(() => {
      this.#pump = undefined;
    });
  }

  async #run(): Promise<void> {
    const { clock, flushMs, pieceChars } = this.#options;
    while (this.#pending !== '') {
      if (this.#pending.length < pieceChars) await clock.sleep(flushMs, this.#hurry.signal);
      this.#hurry = new AbortController();
      const piece = this.#takePiece();
      await this.#store(piece);
      for (const wake of this.#roomWaiters.splice(0)) wake();
    }
  }

  #takePiece(): string {
    let end = Math.min(this.#pending.length, this.#options.pieceChars);
    // A character beyond the basic plane is two code units, which belong in one piece.
    const last = this.#pending.charCodeAt(end - 1);
    if (end < this.#pending.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    const piece = this.#pending.slice(0, end);
    this.#pending = this.#pending.slice(end);
    return piece;
  }

  /** A build does not fail because its log cannot be written: after some tries the piece is given up. */
  async #store(text: string): Promise<void> {
    const { append, clock, log } = this.#options;
    const sequence = this.#sequence++;
    try {
      await insist({ clock, what: 'the job log', tries: this.#failing ? 1 : 8 }, () => append(sequence, text));
      this.#failing = false;
    } catch (thrown) {
      if (!this.#failing) log.warn({ err: thrown }, `a piece of a job log is lost: ${messageOf(thrown)}`);
      this.#failing = true;
    }
  }
}
