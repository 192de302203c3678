/// <reference path="./webtorrent.d.ts" />
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { ChunkStore } from 'webtorrent';
import { PieceRecord, possiblePieces, type RecordPlace } from './piece-record.ts';

const open = promisify(fs.open);
const read = promisify(fs.read);
const write = promisify(fs.write);
const fstat = promisify(fs.fstat);
const ftruncate = promisify(fs.ftruncate);

const scansAtOnce = 2;
const one = Uint8Array.of(1);

/** Whether a file holds the bytes of a digest at a place. */
export type Look = (place: { fd: number; position: number; length: number; digest: string }) => Promise<boolean>;

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
  #record: PieceRecord | undefined;
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
   * Which pieces are in the file already, by their digests (`pieceDigests`): one byte each, 1 for those that are.
   * `look` says of one place whether it holds those bytes. Ends early, with what was found so far, when `signal` is
   * aborted.
   */
  async scan(infoHash: string, digests: readonly string[], look: Look, signal: AbortSignal): Promise<Uint8Array> {
    const found = new Uint8Array(digests.length);
    const possible = await possiblePieces(this.path, infoHash, digests.length);
    const { size } = await fstat(this.#fd);
    // Bytes past the end belong to something else that once lay here; they would make the pack's digest wrong.
    if (size > this.#sizeBytes) await ftruncate(this.#fd, this.#sizeBytes);
    const scanFrom = async (first: number) => {
      for (let index = first; index < digests.length && !signal.aborted; index += scansAtOnce) {
        const position = index * this.chunkLength;
        const length = this.#lengthOf(index);
        if (position + length > size) return;
        if (possible && !possible[index]) continue;
        if (await look({ fd: this.#fd, position, length, digest: digests[index] ?? '' })) found[index] = 1;
      }
    };
    await Promise.all(Array.from({ length: scansAtOnce }, (_, first) => scanFrom(first)));
    if (!signal.aborted && found.includes(0)) this.#record = await PieceRecord.begin(this.path, infoHash, found);
    return found;
  }

  /** Where a thread that writes a piece notes that it did; undefined when no record is kept. */
  recordPlace(piece: number): RecordPlace | undefined {
    return this.#record?.placeOf(piece);
  }

  /** Notes a piece that was written and verified, unless the thread that wrote it did. */
  async note(piece: number): Promise<void> {
    const place = this.#record?.placeOf(piece);
    if (place && !this.#closing)
      await this.use(() => write(place.fd, one, 0, 1, place.position)).catch(() => undefined);
  }

  /** Every piece is there: the record is of no use any more. */
  async removeRecord(): Promise<void> {
    await this.#record?.remove().catch(() => undefined);
  }

  /** Lends the open file; it is not closed before `work` has ended. Rejects when it is closed already. */
  async use<T>(work: (fd: number) => Promise<T>): Promise<T> {
    if (this.#closing) throw new Error(`${this.path} is closed`);
    this.#underWay += 1;
    try {
      return await work(this.#fd);
    } finally {
      this.#ended();
    }
  }

  /** Reads `length` bytes at `position` to the front of `buffer`. Rejects when there are not as many. */
  readInto(buffer: Buffer, length: number, position: number): Promise<void> {
    return this.use(async (fd) => {
      for (let done = 0; done < length; ) {
        const { bytesRead } = await read(fd, buffer, done, length - done, position + done);
        if (bytesRead === 0) throw new Error(`${this.path} is shorter than it was`);
        done += bytesRead;
      }
    });
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

  #lengthOf(index: number): number {
    return index < 0 ? 0 : Math.min(this.chunkLength, this.#sizeBytes - index * this.chunkLength);
  }

  #ended(): void {
    this.#underWay -= 1;
    if (this.#closing && this.#underWay === 0) this.#closeNow();
  }

  #closeNow(): void {
    this.#record?.close().catch(() => undefined);
    fs.close(this.#fd, (error) => (error ? this.#closing?.reject(error) : this.#closing?.resolve()));
  }
}
