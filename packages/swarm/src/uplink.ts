import type { LaneLimits } from './lane-limits.ts';
import { monotonicMs } from './monotonic.ts';

/** Somebody who waits to be sent a piece. */
export interface Waiting {
  /** Has nothing yet and was sent nothing by this process: one place is kept for such. */
  readonly isNewcomer: boolean;
  /** Sends one piece; never rejects. Resolves to whether another one waits. */
  sendOne(): Promise<boolean>;
}

/**
 * Shares what a process may send at once over all who wait for pieces, of whatever pack: one piece each, in turns. A
 * few pieces at a time, so that each is soon whole; and who is slow to take one is not counted, so it holds up nobody.
 */
export class Uplink {
  readonly #limits: LaneLimits;
  /** In the order in which they were last served. */
  readonly #waiting = new Set<Waiting>();
  readonly #sending = new Map<Waiting, number>();

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  /** To be called when there is something to send; again and again is harmless. */
  request(who: Waiting): void {
    if (this.#sending.has(who)) return;
    this.#waiting.add(who);
    this.pump();
  }

  forget(who: Waiting): void {
    this.#waiting.delete(who);
  }

  /** Begins what there is room for; to be called now and then too, for those that have become slow meanwhile. */
  pump(): void {
    for (;;) {
      const next = this.#next();
      if (!next) return;
      this.#waiting.delete(next);
      this.#sending.set(next, monotonicMs());
      void next.sendOne().then((isMore) => {
        this.#sending.delete(next);
        if (isMore) this.#waiting.add(next);
        this.pump();
      });
    }
  }

  #next(): Waiting | undefined {
    if (this.#sending.size >= this.#limits.maxSending) return undefined;
    const since = monotonicMs() - this.#limits.slowAfterMs;
    let counted = 0;
    for (const startedAt of this.#sending.values()) if (startedAt >= since) counted += 1;
    if (counted < this.#limits.sendingAtOnce) return this.#waiting.values().next().value;
    if (counted > this.#limits.sendingAtOnce) return undefined;
    return [...this.#waiting].find(({ isNewcomer }) => isNewcomer);
  }
}
