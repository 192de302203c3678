import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { diskError, isDiskFull, isMissing } from '@starling/host/disk-error.ts';
import { syncFolder } from '@starling/host/durable-file.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { blobNotFound, checkKey, checkPrefix, checkRange, partialSuffix } from './blob-key.ts';
import type { BlobSource, BlobStore, UploadOptions } from './blob-store.ts';
import { claimPartial, releasePartial, removeAbandonedPartials } from './folder-partial.ts';

const MiB = 1024 * 1024;

export interface FolderStoreOptions {
  /** How many bytes are written between two fsyncs; an interrupted upload loses at most that many. */
  partSizeBytes?: number;
}

/**
 * Blobs as files below a folder, which is made when the first one is stored. A file under its final name is whole:
 * bytes are written beside it, made durable and renamed. Disk trouble is UNAVAILABLE and names the folder.
 */
export function openFolderStore(folder: string, options: FolderStoreOptions = {}): BlobStore {
  return new FolderStore(resolve(folder), options.partSizeBytes ?? 32 * MiB);
}

class FolderStore implements BlobStore {
  readonly description: string;
  readonly #folder: string;
  readonly #partSizeBytes: number;

  constructor(folder: string, partSizeBytes: number) {
    this.#folder = folder;
    this.#partSizeBytes = partSizeBytes;
    this.description = `folder ${folder}`;
  }

  async sizeOf(key: string): Promise<number | undefined> {
    const file = await stat(this.#pathOf(key)).catch((thrown) => {
      if (isMissing(thrown)) return undefined;
      throw diskError(thrown, this.#folder);
    });
    return file?.isFile() ? file.size : undefined;
  }

  async read(key: string, range?: { start: number; end: number }): Promise<Readable> {
    const path = this.#pathOf(key);
    const handle = await open(path, 'r').catch((thrown) => {
      throw isMissing(thrown) ? blobNotFound(key, this.description, thrown) : diskError(thrown, this.#folder);
    });
    try {
      const file = await handle.stat();
      if (!file.isFile()) throw blobNotFound(key, this.description);
      const { start, end } = range ?? { start: 0, end: file.size };
      checkRange(key, { start, end }, file.size);
      if (start === end) {
        await handle.close();
        return Readable.from([]);
      }
      return handle.createReadStream({ start, end: end - 1, highWaterMark: MiB / 4 });
    } catch (thrown) {
      await handle.close();
      throw thrown;
    }
  }

  async upload(key: string, source: BlobSource, options: UploadOptions = {}): Promise<void> {
    const path = this.#pathOf(key);
    options.signal?.throwIfAborted();
    if ((await this.sizeOf(key)) === source.sizeBytes) {
      options.onProgress?.(source.sizeBytes);
      return;
    }
    try {
      await mkdir(dirname(path), { recursive: true });
      const partial = await claimPartial(path);
      try {
        await this.#write(key, partial, source, options);
        await this.#reveal(partial, path, key, source.sizeBytes);
      } catch (thrown) {
        // On a full disk the space is worth more to others than the bytes to the next attempt.
        if (isDiskFull(thrown)) await rm(partial, { force: true });
        else await releasePartial(path, partial);
        throw thrown;
      }
      await syncFolder(dirname(path));
    } catch (thrown) {
      throw diskError(thrown, this.#folder);
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      await rm(path, { force: true });
      await removeAbandonedPartials(path);
    } catch (thrown) {
      throw diskError(thrown, this.#folder);
    }
  }

  async *list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number }> {
    checkPrefix(prefix);
    const lastSlash = prefix.lastIndexOf('/');
    yield* this.#walk(prefix.slice(0, lastSlash + 1), prefix);
  }

  async *#walk(below: string, prefix: string): AsyncIterable<{ key: string; sizeBytes: number }> {
    const entries = await readdir(join(this.#folder, below), { withFileTypes: true }).catch((thrown) => {
      if (isMissing(thrown)) return [];
      throw diskError(thrown, this.#folder);
    });
    // With its slash, a folder sorts where its first key belongs.
    const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
    for (const name of names) {
      const key = below + name;
      if (name.endsWith('/')) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* this.#walk(key, prefix);
      } else if (key.startsWith(prefix) && !name.endsWith(partialSuffix)) {
        const sizeBytes = await this.sizeOf(key);
        if (sizeBytes !== undefined) yield { key, sizeBytes };
      }
    }
  }

  async #write(key: string, partial: string, source: BlobSource, { signal, onProgress }: UploadOptions): Promise<void> {
    const handle = await open(partial, constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      let written = this.#durableBytes((await handle.stat()).size, source.sizeBytes);
      await handle.truncate(written);
      onProgress?.(written);
      while (written < source.sizeBytes) {
        const end = Math.min(source.sizeBytes, written + this.#partSizeBytes);
        await copyPart(key, source, handle, written, end, signal);
        await handle.sync();
        written = end;
        onProgress?.(written);
      }
      await handle.sync();
      const { size } = await handle.stat();
      if (size !== source.sizeBytes) throw new Error(`${partial} has ${size} bytes, expected ${source.sizeBytes}`);
    } finally {
      await handle.close();
    }
  }

  async #reveal(partial: string, path: string, key: string, sizeBytes: number): Promise<void> {
    try {
      await rename(partial, path);
    } catch (thrown) {
      // A writer on another host took this one for dead, took its file over and was first.
      if (!isMissing(thrown) || (await this.sizeOf(key)) !== sizeBytes) throw thrown;
    }
  }

  /**
   * How much of a partial file surely is what was written: each part was made durable before the first byte after it,
   * so all parts but the last one begun are, also after a power failure.
   */
  #durableBytes(fileBytes: number, sourceBytes: number): number {
    if (fileBytes > sourceBytes || fileBytes === 0) return 0;
    return Math.floor((fileBytes - 1) / this.#partSizeBytes) * this.#partSizeBytes;
  }

  #pathOf(key: string): string {
    checkKey(key);
    return join(this.#folder, key);
  }
}

async function copyPart(
  key: string,
  source: BlobSource,
  handle: FileHandle,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let offset = start;
  const stream = source.read(start, end);
  const abort = () => stream.destroy(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    signal?.throwIfAborted();
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      offset += chunk.length;
      if (offset > end) break;
      await writeAt(handle, chunk, offset - chunk.length);
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    stream.destroy();
  }
  if (offset !== end)
    throw new StarlingError('UNAVAILABLE', `the source of ${key} gave ${offset - start} bytes of ${start} to ${end}`, {
      fix: 'It changed or was cut off while it was read; upload it again.',
    });
}

/** At its place rather than at the end, so that even two writers of the same content do no harm. */
async function writeAt(handle: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}
