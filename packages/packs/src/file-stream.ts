import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';

// A tree is treated as one stream of bytes: the contents of its files, one after another in the order of their paths.
// So chunks, patches and what a machine has are ranges of a stream, and a small change in how a tree is cut into files
// costs nothing. The calls are synchronous, as they are made in worker threads only.

export interface StreamFile {
  /** Its path within the tree, as the manifest has it. */
  name: string;
  /** Where it is on this machine. */
  path: string;
  sizeBytes: number;
}

const maxOpenFiles = 16;

/** Reads and writes ranges of a stream, with at most 16 files open. Throws what the file system throws. */
export class FileStream {
  readonly sizeBytes: number;
  readonly #files: readonly StreamFile[];
  readonly #starts: Float64Array;
  readonly #flags: number;
  readonly #open = new Map<number, number>();

  constructor(files: readonly StreamFile[], access: 'read' | 'write' = 'read') {
    this.#files = files;
    this.#flags = (access === 'read' ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NOFOLLOW;
    this.#starts = new Float64Array(files.length);
    let start = 0;
    for (const [index, file] of files.entries()) {
      this.#starts[index] = start;
      start += file.sizeBytes;
    }
    this.sizeBytes = start;
  }

  /** How far a position of the stream is from the start of its file, in bytes. */
  placeInFile(position: number): number {
    return position - (this.#starts[this.#fileAt(position)] ?? 0);
  }

  /** Fills `into` with the bytes from `start` on; how many there were, fewer where the stream or a file ends early. */
  read(start: number, into: Uint8Array): number {
    return this.#each(start, into, (descriptor, bytes, position) =>
      readSync(descriptor, bytes, 0, bytes.length, position),
    );
  }

  /** Writes `bytes` at `start`; the files must be there. How many fitted into the stream. */
  write(start: number, bytes: Uint8Array): number {
    return this.#each(start, bytes, (descriptor, part, position) =>
      writeSync(descriptor, part, 0, part.length, position),
    );
  }

  close(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  #each(
    start: number,
    bytes: Uint8Array,
    act: (descriptor: number, part: Uint8Array, position: number) => number,
  ): number {
    let done = 0;
    let index = this.#fileAt(start);
    while (done < bytes.length && index < this.#files.length) {
      const position = start + done - this.#starts[index]!;
      const left = this.#files[index]!.sizeBytes - position;
      if (left <= 0) {
        index += 1;
        continue;
      }
      const part = bytes.subarray(done, done + Math.min(left, bytes.length - done));
      const moved = act(this.#descriptor(index), part, position);
      if (moved <= 0) break;
      done += moved;
    }
    return done;
  }

  /** The last file that begins at or before `start`. */
  #fileAt(start: number): number {
    let low = 0;
    let high = this.#files.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle]! <= start) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #descriptor(index: number): number {
    const known = this.#open.get(index);
    if (known !== undefined) return known;
    if (this.#open.size >= maxOpenFiles) {
      const [oldest, descriptor] = this.#open.entries().next().value!;
      closeSync(descriptor);
      this.#open.delete(oldest);
    }
    const descriptor = openSync(this.#files[index]!.path, this.#flags);
    this.#open.set(index, descriptor);
    return descriptor;
  }
}
