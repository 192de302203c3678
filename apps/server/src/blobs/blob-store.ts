import type { Readable } from 'node:stream';

// One place for bytes: a folder or an S3 bucket. Blobs are immutable: a key names its content
// (`packs/<sha256>`, `manifests/<sha256>`), so writing one twice is harmless and a reader never sees half of one.

/** Bytes that can be read again from any offset, so that an upload can be resumed or a part sent once more. */
export interface BlobSource {
  sizeBytes: number;
  /** The bytes from `start` up to but not including `end`. */
  read(start: number, end: number): Readable;
}

export interface UploadOptions {
  signal?: AbortSignal;
  /** Called with the bytes that are safely stored so far, resumed ones included; at least once a part. */
  onProgress?: (bytesDone: number) => void;
}

export interface BlobStore {
  /** What the store is, for messages: `folder /data/eu` or `s3 bucket starling-eu at https://…`. */
  readonly description: string;
  /** The size in bytes of a complete blob, or undefined when it is not there. */
  sizeOf(key: string): Promise<number | undefined>;
  /** The bytes from `start` (inclusive) to `end` (exclusive); all of them by default. NOT_FOUND when it is not there. */
  read(key: string, range?: { start: number; end: number }): Promise<Readable>;
  /**
   * Stores a blob, in parts. What an earlier, interrupted upload of the same key left complete is kept and not sent
   * again. The blob appears at once and whole, or not at all.
   */
  upload(key: string, source: BlobSource, options?: UploadOptions): Promise<void>;
  /** No error when it is not there. */
  delete(key: string): Promise<void>;
  /** The keys that begin with `prefix`, sorted. */
  list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number }>;
}

export const packKey = (sha256: string): string => `packs/${sha256}`;
export const manifestKey = (sha256: string): string => `manifests/${sha256}`;
