import { type PackShape, packBits, pieceBytes } from './lane-frames.ts';

/** Which pieces of a pack this member has, verified and written. Both ways to fetch write into it and hear from it. */
export class PieceBook {
  readonly shape: PackShape;
  /** By piece: 1 when it is here. */
  readonly has: Uint8Array;
  readonly #listeners: ((piece: number) => void)[] = [];
  #missing: number;
  #bytesDone = 0;

  constructor(shape: PackShape, has: Uint8Array) {
    this.shape = shape;
    this.has = has;
    this.#missing = shape.pieceCount;
    for (let piece = 0; piece < shape.pieceCount; piece += 1) if (has[piece]) this.#count(piece);
  }

  get isComplete(): boolean {
    return this.#missing === 0;
  }

  get bytesDone(): number {
    return this.#bytesDone;
  }

  /** One bit a piece. */
  bits(): Buffer {
    return packBits(this.has);
  }

  /** The piece is here from now on; again and again is harmless. */
  mark(piece: number): void {
    if (this.has[piece]) return;
    this.has[piece] = 1;
    this.#count(piece);
    for (const listener of this.#listeners) listener(piece);
  }

  onMark(listener: (piece: number) => void): void {
    this.#listeners.push(listener);
  }

  #count(piece: number): void {
    this.#missing -= 1;
    this.#bytesDone += pieceBytes(piece, this.shape);
  }
}
