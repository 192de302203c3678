import { type PackShape, packBits, pieceBytes } from './lane-frames.ts';

/**
 * Which pieces of a pack this member has, verified and written, and which it wants. Both ways to fetch write into it and
 * hear from it.
 */
export class PieceBook {
  readonly shape: PackShape;
  /** By piece: 1 when it is here. */
  readonly has: Uint8Array;
  /** By piece: 1 when it is to be here. */
  readonly wanted: Uint8Array;
  readonly #onMark: ((piece: number) => void)[] = [];
  readonly #onWant: ((pieces: readonly number[]) => void)[] = [];
  /** Of the wanted pieces, and of all. */
  #missing = 0;
  #absent: number;
  #bytesDone = 0;
  #bytesWanted = 0;
  #bytesHere = 0;

  constructor(shape: PackShape, has: Uint8Array, wanted: Uint8Array = new Uint8Array(shape.pieceCount).fill(1)) {
    this.shape = shape;
    this.has = has;
    this.wanted = wanted;
    this.#absent = shape.pieceCount;
    for (let piece = 0; piece < shape.pieceCount; piece += 1) {
      if (wanted[piece]) this.#countWanted(piece);
      if (has[piece]) this.#countHere(piece);
    }
  }

  /** Every wanted piece is here. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** Every piece of the pack is here. */
  get isWhole(): boolean {
    return this.#absent === 0;
  }

  /** Bytes of wanted pieces that are here. */
  get bytesDone(): number {
    return this.#bytesDone;
  }

  get bytesWanted(): number {
    return this.#bytesWanted;
  }

  /** Bytes that are here, wanted or not. */
  get bytesHere(): number {
    return this.#bytesHere;
  }

  /** One bit a piece. */
  bits(): Buffer {
    return packBits(this.has);
  }

  /** The piece is here from now on; again and again is harmless. */
  mark(piece: number): void {
    if (this.has[piece]) return;
    this.has[piece] = 1;
    this.#countHere(piece);
    for (const listener of this.#onMark) listener(piece);
  }

  /** Wants these pieces too (1 for those). */
  want(pieces: Uint8Array): void {
    const added: number[] = [];
    for (const [piece, bit] of pieces.entries()) {
      if (!bit || this.wanted[piece]) continue;
      this.wanted[piece] = 1;
      this.#countWanted(piece);
      if (this.has[piece]) this.#countDone(piece);
      added.push(piece);
    }
    if (added.length > 0) for (const listener of this.#onWant) listener(added);
  }

  onMark(listener: (piece: number) => void): void {
    this.#onMark.push(listener);
  }

  /** Tells which pieces are wanted that were not before. */
  onWant(listener: (pieces: readonly number[]) => void): void {
    this.#onWant.push(listener);
  }

  #countWanted(piece: number): void {
    this.#missing += 1;
    this.#bytesWanted += pieceBytes(piece, this.shape);
  }

  #countHere(piece: number): void {
    this.#absent -= 1;
    this.#bytesHere += pieceBytes(piece, this.shape);
    if (this.wanted[piece]) this.#countDone(piece);
  }

  #countDone(piece: number): void {
    this.#missing -= 1;
    this.#bytesDone += pieceBytes(piece, this.shape);
  }
}
