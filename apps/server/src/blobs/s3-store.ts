import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { StarlingError } from '@starling/shared/errors.ts';
import { blobNotFound, checkKey, checkPrefix, checkRange } from './blob-key.ts';
import type { BlobSource, BlobStore, UploadOptions } from './blob-store.ts';
import type { S3Encryption } from './s3-encryption.ts';
import { isMissingObject, isMissingUpload, s3Error, statusOf } from './s3-error.ts';
import { putInParts, putWhole, type S3Sdk, type S3Target } from './s3-upload.ts';

const MiB = 1024 * 1024;

export interface S3Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface S3StoreOptions {
  bucket: string;
  /** Goes before every key, with a `/` between; none by default. */
  prefix?: string;
  region: string;
  /** AWS itself by default. */
  endpoint?: string;
  /** Whether the bucket is in the path rather than in the host name. */
  forcePathStyle?: boolean;
  /** The AWS credential chain by default. */
  credentials?: S3Credentials;
  /** At least 5 MiB, the least S3 takes; 16 MiB by default. A blob no larger than that is stored by one request. */
  partSizeBytes?: number;
  /** Parts of one upload on their way (and in memory) at the same time; 3 by default. */
  uploadConcurrency?: number;
  /** What the store is asked to encrypt with; the bucket's own setting by default. */
  encryption?: S3Encryption;
  /** Tries of one request; 5 by default. */
  maxAttempts?: number;
  /** How long one request may take until it is answered, in milliseconds; 5 minutes by default. */
  requestTimeoutMs?: number;
}

/** Blobs as objects of one bucket of any S3-compatible store. Trouble with the store is UNAVAILABLE and names it. */
export function openS3Store(options: S3StoreOptions): BlobStore {
  return new S3Store(options);
}

class S3Store implements BlobStore {
  readonly description: string;
  readonly #options: S3StoreOptions;
  readonly #prefix: string;
  readonly #partSizeBytes: number;
  #opened: Promise<{ sdk: S3Sdk; client: S3Client }> | undefined;

  constructor(options: S3StoreOptions) {
    this.#options = options;
    this.#prefix = options.prefix ? `${options.prefix.replace(/^\/+|\/+$/g, '')}/` : '';
    this.#partSizeBytes = Math.max(5 * MiB, options.partSizeBytes ?? 16 * MiB);
    const below = this.#prefix === '' ? '' : ` (below ${this.#prefix})`;
    this.description = `S3 bucket ${options.bucket}${below} at ${options.endpoint ?? `AWS ${options.region}`}`;
  }

  async sizeOf(key: string): Promise<number | undefined> {
    const target = await this.#target(key);
    try {
      const { sdk, client, Bucket, Key } = target;
      return (await client.send(new sdk.HeadObjectCommand({ Bucket, Key }))).ContentLength ?? 0;
    } catch (thrown) {
      if (isMissingObject(thrown)) return undefined;
      throw s3Error(thrown, this.description);
    }
  }

  async read(key: string, range?: { start: number; end: number }): Promise<Readable> {
    checkKey(key);
    if (!range || range.start >= range.end) {
      const size = await this.sizeOf(key);
      if (size === undefined) throw blobNotFound(key, this.description);
      range ??= { start: 0, end: size };
      checkRange(key, range, size);
      if (range.start === range.end) return Readable.from([]);
    }
    // The first request is made here, so that what is wrong with it rejects rather than breaks the stream.
    const { start, end } = range;
    const first = await this.#get(key, start, end);
    return Readable.from(this.#readOn(key, first, start, end), { objectMode: false });
  }

  async upload(key: string, source: BlobSource, options: UploadOptions = {}): Promise<void> {
    const target = await this.#target(key);
    const { onProgress, signal } = options;
    signal?.throwIfAborted();
    try {
      if ((await this.sizeOf(key)) !== source.sizeBytes) {
        if (source.sizeBytes <= this.#partSizeBytes) await putWhole(target, source, options);
        else await this.#putLarge(key, target, source, options);
        const stored = await this.sizeOf(key);
        if (stored !== source.sizeBytes)
          throw new StarlingError(
            'UNAVAILABLE',
            `${this.description} has ${stored ?? 'no'} bytes of ${key} after an upload of ${source.sizeBytes}`,
          );
      }
      onProgress?.(source.sizeBytes);
    } catch (thrown) {
      signal?.throwIfAborted();
      throw s3Error(thrown, this.description);
    }
  }

  async delete(key: string): Promise<void> {
    const { sdk, client, Bucket, Key } = await this.#target(key);
    try {
      await client.send(new sdk.DeleteObjectCommand({ Bucket, Key }));
    } catch (thrown) {
      if (!isMissingObject(thrown)) throw s3Error(thrown, this.description);
    }
  }

  async *list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number }> {
    checkPrefix(prefix);
    const { sdk, client } = await this.#open();
    const query = { Bucket: this.#options.bucket, Prefix: this.#prefix + prefix };
    try {
      for await (const page of sdk.paginateListObjectsV2({ client }, query)) {
        for (const { Key, Size } of page.Contents ?? [])
          if (Key !== undefined) yield { key: Key.slice(this.#prefix.length), sizeBytes: Size ?? 0 };
      }
    } catch (thrown) {
      throw s3Error(thrown, this.description);
    }
  }

  async #putLarge(key: string, target: S3Target, source: BlobSource, options: UploadOptions): Promise<void> {
    const { uploadConcurrency: concurrency = 3 } = this.#options;
    for (let tries = 1; ; tries += 1) {
      try {
        return await putInParts(target, source, { ...options, partSizeBytes: this.#partSizeBytes, concurrency });
      } catch (thrown) {
        // Another writer completed or discarded the upload that this one was going on with.
        if (!isMissingUpload(thrown) || options.signal?.aborted) throw thrown;
        if ((await this.sizeOf(key)) === source.sizeBytes) return;
        if (tries === 3) throw thrown;
      }
    }
  }

  /** The range's bytes; a connection that breaks in the middle is opened again where it broke. */
  async *#readOn(key: string, first: Readable, start: number, end: number): AsyncGenerator<Buffer> {
    let offset = start;
    let body: Readable | undefined = first;
    for (let failures = 0; offset < end; ) {
      try {
        body ??= await this.#get(key, offset, end);
        for await (const chunk of body as AsyncIterable<Buffer>) {
          offset += chunk.length;
          failures = 0;
          yield chunk;
        }
        if (offset < end) throw new Error(`the connection ended ${end - offset} bytes too early`);
      } catch (thrown) {
        failures += 1;
        if (failures === 3 || thrown instanceof StarlingError) throw s3Error(thrown, this.description);
      } finally {
        body?.destroy();
        body = undefined;
      }
    }
  }

  async #get(key: string, start: number, end: number): Promise<Readable> {
    const { sdk, client, Bucket, Key } = await this.#target(key);
    try {
      const answer = await client.send(new sdk.GetObjectCommand({ Bucket, Key, Range: `bytes=${start}-${end - 1}` }));
      const body = answer.Body as Readable;
      if (answer.ContentLength !== end - start) {
        body.destroy();
        checkRange(key, { start, end }, Number(answer.ContentRange?.split('/')[1] ?? answer.ContentLength));
        throw new StarlingError('UNAVAILABLE', `${this.description} sent ${answer.ContentLength} bytes of ${key}`);
      }
      return body;
    } catch (thrown) {
      if (isMissingObject(thrown)) throw blobNotFound(key, this.description, thrown);
      if (statusOf(thrown) === 416) checkRange(key, { start, end }, (await this.sizeOf(key)) ?? 0);
      throw s3Error(thrown, this.description);
    }
  }

  async #target(key: string): Promise<S3Target> {
    checkKey(key);
    const { bucket, encryption } = this.#options;
    return { ...(await this.#open()), Bucket: bucket, Key: this.#prefix + key, encryption };
  }

  /** The SDK takes a sixth of a second and 30 MB to load, so only processes that have a bucket load it. */
  #open(): Promise<{ sdk: S3Sdk; client: S3Client }> {
    this.#opened ??= import('@aws-sdk/client-s3').then((sdk) => {
      const { region, endpoint, credentials, forcePathStyle, maxAttempts, requestTimeoutMs } = this.#options;
      const client = new sdk.S3Client({
        region,
        ...(endpoint ? { endpoint } : {}),
        ...(credentials ? { credentials } : {}),
        forcePathStyle: forcePathStyle ?? false,
        retryMode: 'standard',
        maxAttempts: maxAttempts ?? 5,
        // Stores other than AWS's own do not all know the checksums that the SDK would add.
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
        requestHandler: {
          connectionTimeout: 5_000,
          socketTimeout: 60_000,
          requestTimeout: requestTimeoutMs ?? 300_000,
          throwOnRequestTimeout: true,
        },
      });
      return { sdk, client };
    });
    return this.#opened;
  }
}
