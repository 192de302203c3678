import type { RateLine } from './token-bucket.ts';

/** Who passes one piece after another through a line: each at once when it is open, else when its turn has come. */
export class TurnInLine {
  readonly #line: RateLine | undefined;
  readonly #onTurn: () => void;
  #leave: (() => void) | undefined;
  #isTurn = false;

  /** Without a line everything may pass. `onTurn` is called when one piece may, and is to ask again whether it may. */
  constructor(line: RateLine | undefined, onTurn: () => void) {
    this.#line = line;
    this.#onTurn = onTurn;
  }

  /** Nothing may pass until `onTurn` is called. */
  get isWaiting(): boolean {
    return this.#leave !== undefined;
  }

  /** Whether one piece may pass now. If not, this is in the line from then on. */
  mayPass(): boolean {
    if (this.#isTurn || !this.#line || this.#line.isOpen()) {
      this.#isTurn = false;
      return true;
    }
    this.#leave ??= this.#line.wait(() => {
      this.#leave = undefined;
      this.#isTurn = true;
      this.#onTurn();
      this.#isTurn = false;
    });
    return false;
  }

  take(bytes: number): void {
    this.#line?.take(bytes);
  }

  leave(): void {
    this.#leave?.();
    this.#leave = undefined;
  }
}
