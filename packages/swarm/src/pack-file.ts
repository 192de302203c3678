/// <reference path="./webtorrent.d.ts" />
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { ChunkStore } from 'webtorrent';

const open = promisify(fs.open);
const read = promisify(fs.read);
const fstat = promisify(fs.fstat);
const ftruncate = promisify(fs.ftruncate);

/**
 * One pack as one file on disk, read and written by piece. Nothing is cached: the page cache of the system does
 * that better. Pieces may be written in any order, so the file can be sparse until the last one is there.
 */
export class PackFile implements ChunkStore {
  /** Bytes in a piece; the last one may be shorter. */
  readonly chunkLength: number;
  readonly path: string;
  readonly #fd: number;
  readonly #sizeBytes: number;
  #underWay = 0;
  #closing: PromiseWithResolvers<void> | undefined;

  private constructor(path: string, fd: number, sizeBytes: number, chunkLength: number) {
    this.path = path;
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
    this.chunkLength = chunkLength;
  }

  /** Opens the file for reading and writing, making it when it is not there. Rejects with the system's error. */
  static async open(path: string, sizeBytes: number, chunkLength: number): Promise<PackFile> {
    const fd = await open(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
    return new PackFile(path, fd, sizeBytes, chunkLength);
  }

  /**
   * Which pieces are in the file already, by their SHA-1 digests: one bit each, the first piece in the highest bit
   * of the first byte. Holds one piece in memory. Ends early, with what was found so far, when `signal` is aborted.
   */
  async scan(digests: readonly Buffer[], signal: AbortSignal): Promise<Uint8Array> {
    const found = new Uint8Array(Math.ceil(digests.length / 8));
    const { size } = await fstat(this.#fd);
    // Bytes past the end belong to something else that once lay here; they would make the pack's digest wrong.
    if (size > this.#sizeBytes) await ftruncate(this.#fd, this.#sizeBytes);
    if (size === 0) return found;
    const buffer = Buffer.allocUnsafe(Math.min(this.chunkLength, this.#sizeBytes));
    for (const [index, digest] of digests.entries()) {
      const start = index * this.chunkLength;
      const length = Math.min(this.chunkLength, this.#sizeBytes - start);
      if (start + length > size || signal.aborted) break;
      if (await this.#fill(buffer.subarray(0, length), start)) {
        const actual = createHash('sha1').update(buffer.subarray(0, length)).digest();
        if (actual.equals(digest)) found[index >> 3]! |= 0x80 >> (index & 7);
      }
    }
    return found;
  }

  get(
    index: number,
    range: { offset?: number; length?: number } | null | undefined,
    done: (error: Error | null, bytes?: Uint8Array) => void,
  ): void {
    // Numbers come from other machines, so none is trusted: negative ones and ones past the end are refused.
    const offset = range?.offset ?? 0;
    const pieceLength = this.#lengthOf(index);
    const length = range?.length ?? pieceLength - offset;
    const isInside = pieceLength > 0 && offset >= 0 && length > 0 && offset + length <= pieceLength;
    if (!isInside || this.#closing) {
      queueMicrotask(() => done(new Error(`bytes ${offset} to ${offset + length} of piece ${index} are not here`)));
      return;
    }
    this.#underWay += 1;
    const position = index * this.chunkLength + offset;
    fs.read(this.#fd, Buffer.allocUnsafe(length), 0, length, position, (error, bytesRead, bytes) => {
      this.#ended();
      if (error) done(error);
      else if (bytesRead < length) done(new Error(`${this.path} is shorter than it was`));
      else done(null, bytes);
    });
  }

  put(index: number, bytes: Uint8Array, done: (error?: Error | null) => void): void {
    if (this.#closing || bytes.length !== this.#lengthOf(index)) {
      queueMicrotask(() => done(new Error(`piece ${index} with ${bytes.length} bytes has no place in ${this.path}`)));
      return;
    }
    this.#underWay += 1;
    const writeFrom = (start: number) => {
      const position = index * this.chunkLength + start;
      fs.write(this.#fd, bytes, start, bytes.length - start, position, (error, written) => {
        if (!error && start + written < bytes.length) return writeFrom(start + written);
        this.#ended();
        done(error);
      });
    };
    writeFrom(0);
  }

  /** Closes the file once what is under way has ended; again and again is harmless. */
  close(done: (error?: Error | null) => void): void {
    this.closed().then(() => done(), done);
  }

  /** As `close`: a membership that ends leaves the file where it is. */
  destroy(done: (error?: Error | null) => void): void {
    this.close(done);
  }

  /** Resolves when the file is closed; closes it. */
  closed(): Promise<void> {
    if (!this.#closing) {
      this.#closing = Promise.withResolvers<void>();
      if (this.#underWay === 0) this.#closeNow();
    }
    return this.#closing.promise;
  }

  async #fill(buffer: Buffer, position: number): Promise<boolean> {
    for (let filled = 0; filled < buffer.length; ) {
      const { bytesRead } = await read(this.#fd, buffer, filled, buffer.length - filled, position + filled);
      if (bytesRead === 0) return false;
      filled += bytesRead;
    }
    return true;
  }

  #lengthOf(index: number): number {
    return index < 0 ? 0 : Math.min(this.chunkLength, this.#sizeBytes - index * this.chunkLength);
  }

  #ended(): void {
    this.#underWay -= 1;
    if (this.#closing && this.#underWay === 0) this.#closeNow();
  }

  #closeNow(): void {
    fs.close(this.#fd, (error) => (error ? this.#closing?.reject(error) : this.#closing?.resolve()));
  }
}
