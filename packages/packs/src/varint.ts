// Whole numbers of up to 53 bits, seven bits a byte, least significant first; the last byte has its high bit clear.
// A number has one form only: a last byte of zero is refused, so that the same content is always the same bytes.

export class Malformed extends Error {}

export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(expectedBytes = 1024) {
    this.#bytes = Buffer.allocUnsafe(Math.max(16, expectedBytes));
  }

  number(value: number): void {
    this.#reserve(8);
    let left = value;
    // Beyond 31 bits, without the operators that would cut it.
    while (left > 0x7fffffff) {
      this.#bytes[this.#length++] = (left % 0x80) | 0x80;
      left = Math.floor(left / 0x80);
    }
    while (left >= 0x80) {
      this.#bytes[this.#length++] = (left & 0x7f) | 0x80;
      left >>>= 7;
    }
    this.#bytes[this.#length++] = left;
  }

  /** Four bytes, little endian. */
  word(value: number): void {
    this.#reserve(4);
    this.#bytes[this.#length] = value;
    this.#bytes[this.#length + 1] = value >>> 8;
    this.#bytes[this.#length + 2] = value >>> 16;
    this.#bytes[this.#length + 3] = value >>> 24;
    this.#length += 4;
  }

  /** A number that may be negative, folded so that small ones stay short. */
  signed(value: number): void {
    this.number(value < 0 ? -value * 2 - 1 : value * 2);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Bytes behind their count. */
  counted(bytes: Uint8Array): void {
    this.number(bytes.length);
    this.raw(bytes);
  }

  text(text: string): void {
    this.counted(Buffer.from(text));
  }

  get length(): number {
    return this.#length;
  }

  /** What was written; it shares memory with the writer. */
  bytes(): Buffer<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length) as Buffer<ArrayBuffer>;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Reads what ByteWriter wrote. Throws Malformed at the first byte that cannot be, before it takes any memory for it. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** A number of at most `most`. */
  number(most: number, what: string): number {
    let value = 0;
    let unit = 1;
    for (let count = 1; count <= 8; count += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new Malformed(`it ends within ${what}`);
      this.#at += 1;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (byte === 0 && count > 1) throw new Malformed(`${what} is not in its shortest form`);
        if (value > most) throw new Malformed(`${what} is ${value}, and ${most} is the most`);
        return value;
      }
      unit *= 0x80;
    }
    throw new Malformed(`${what} is longer than a number`);
  }

  /** A number from `-most` to `most`. */
  signed(most: number, what: string): number {
    const folded = this.number(most * 2, what);
    return folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2;
  }

  /** The next `length` bytes, without a copy. */
  raw(length: number, what: string): Uint8Array {
    if (length > this.left) throw new Malformed(`it ends within ${what}`);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  counted(most: number, what: string): Uint8Array {
    return this.raw(this.number(most, `the length of ${what}`), what);
  }

  text(mostBytes: number, what: string): string {
    const bytes = this.counted(mostBytes, what);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new Malformed(`${what} is not UTF-8`);
    }
  }

  end(): void {
    if (this.left > 0) throw new Malformed(`${this.left} bytes are left over`);
  }
}
