import { monotonicMs } from './monotonic.ts';

/** Who sent how much of a pack, and how long checking and writing it took; for people to look at, nothing is decided by it. */
export class IntakeTally {
  readonly bytesFrom = new Map<string, number>();
  wrongPieces = 0;
  #checking = 0;
  #checkingSince = 0;
  #checkingMs = 0;

  /** Milliseconds in which at least one piece was being checked and written. */
  get checkingMs(): number {
    return this.#checkingMs + (this.#checking > 0 ? monotonicMs() - this.#checkingSince : 0);
  }

  /** Counts a piece that is being checked until `check` is settled, as right or wrong by what it resolves with. */
  async watch(address: string, bytes: number, check: Promise<boolean>): Promise<boolean> {
    if (this.#checking === 0) this.#checkingSince = monotonicMs();
    this.#checking += 1;
    try {
      const isRight = await check;
      if (isRight) this.bytesFrom.set(address, (this.bytesFrom.get(address) ?? 0) + bytes);
      else this.wrongPieces += 1;
      return isRight;
    } finally {
      this.#checking -= 1;
      if (this.#checking === 0) this.#checkingMs += monotonicMs() - this.#checkingSince;
    }
  }
}
