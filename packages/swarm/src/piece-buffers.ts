/** The bytes of one piece, in memory that the threads of this process share. */
export type PieceBuffer = Uint8Array<SharedArrayBuffer>;

/**
 * The memory for pieces that are on their way, within one budget for the whole process. It is used again and again
 * rather than given back for each piece; what is unused is let go when all is fetched, and when the last pack is left (`clear`).
 */
export class PieceBuffers {
  readonly #budgetBytes: number;
  readonly #free: SharedArrayBuffer[] = [];
  readonly #waiting = new Set<() => void>();
  #takenBytes = 0;
  #isKeeping = true;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
  }

  /** Room for `length` bytes, or undefined within the budget; one piece is always allowed, however long. */
  take(length: number): PieceBuffer | undefined {
    const fits = (bytes: number) => this.#takenBytes === 0 || this.#takenBytes + bytes <= this.#budgetBytes;
    if (!fits(length)) return undefined;
    const at = this.#free.findIndex(({ byteLength: bytes }) => bytes >= length && bytes <= 2 * length && fits(bytes));
    const found = at >= 0 ? this.#free.splice(at, 1)[0] : undefined;
    const memory = found ?? this.#make(length);
    this.#takenBytes += memory.byteLength;
    this.#isKeeping = true;
    return new Uint8Array(memory, 0, length);
  }

  /** Gives back what `take` gave, once. */
  give({ buffer }: PieceBuffer): void {
    this.#takenBytes -= buffer.byteLength;
    if (this.#isKeeping) this.#free.push(buffer);
    // All of them, as some no longer want any; who gets nothing waits again.
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Calls `wake` once, the next time that room is given back. */
  wait(wake: () => void): void {
    this.#waiting.add(wake);
  }

  forget(wake: () => void): void {
    this.#waiting.delete(wake);
  }

  /** Lets go of what is unused, and of what is given back until something is taken again. */
  clear(): void {
    this.#free.length = 0;
    this.#isKeeping = false;
  }

  #make(length: number): SharedArrayBuffer {
    // What lies unused must not add to what is taken.
    let unused = this.#free.reduce((sum, { byteLength }) => sum + byteLength, 0);
    while (unused > 0 && this.#takenBytes + unused + length > this.#budgetBytes)
      unused -= this.#free.shift()?.byteLength ?? unused;
    return new SharedArrayBuffer(length);
  }
}
