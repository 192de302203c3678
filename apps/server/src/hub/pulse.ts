/** As much of a connection as the pulse needs. */
export interface Pulsed {
  /** Asks whether it is there. With `judge`, one that has not answered two times in a row is cut off instead. */
  checkPulse(judge: boolean): void;
}

export const beatEveryMs = 500;
/** How long it takes to ask everyone once: an agent that is gone is noticed after 14 to 21 seconds. */
const roundMs = 7_000;
/** A beat that is this late says that the hub itself stood still: answers may lie unread. */
const lateMs = 2_000;

/**
 * Asks all connections, a few with each beat, whether they are there: thousands at once would hold everything else up.
 * After a pause of the hub itself nobody is judged by it, lest a busy hub throws out a whole region.
 */
export class Pulse {
  #left: Pulsed[] = [];
  #share = 0;
  #roundBegan = Number.NEGATIVE_INFINITY;
  #lastBeat = Number.NEGATIVE_INFINITY;

  beat(all: Iterable<Pulsed>, nowMs: number): void {
    const isLate = nowMs - this.#lastBeat > beatEveryMs + lateMs;
    this.#lastBeat = nowMs;
    if (this.#left.length === 0 && nowMs - this.#roundBegan >= roundMs) {
      this.#roundBegan = nowMs;
      this.#left = [...all];
      this.#share = Math.ceil(this.#left.length / (roundMs / beatEveryMs));
    }
    for (const connection of this.#left.splice(-this.#share, this.#share)) connection.checkPulse(!isLate);
  }
}
