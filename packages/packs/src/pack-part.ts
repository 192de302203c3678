import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { diskError } from '@starling/host/disk-error.ts';

/** A file that only grows, with the digest of all that was appended. Throws UNAVAILABLE when the disk does not take it. */
export class PackPart {
  sizeBytes = 0;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<PackPart> {
    const file = await open(path, 'w+', 0o600).catch((thrown) => {
      throw diskError(thrown, dirname(path));
    });
    return new PackPart(path, file);
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      await this.#file.writeFile(bytes);
    } catch (thrown) {
      throw diskError(thrown, dirname(this.#path));
    }
    this.#hash.update(bytes);
    this.sizeBytes += bytes.length;
  }

  /** Appends all of this one to another. */
  async copyTo(other: PackPart, signal: AbortSignal | undefined): Promise<void> {
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (let at = 0; at < this.sizeBytes; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error('the chunks became fewer while they were copied');
      await other.append(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }

  /** The digest of what was written, which is on the disk when this returns. */
  async finish(): Promise<string> {
    await this.#file.sync();
    return this.#hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
