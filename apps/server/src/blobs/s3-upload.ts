import { createHash } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { StarlingError } from '@starling/shared/errors.ts';
import type { BlobSource, UploadOptions } from './blob-store.ts';
import { encryptionHeaders, insistEncrypted, type S3Encryption } from './s3-encryption.ts';
import { isMissingUpload } from './s3-error.ts';
import { keptParts, type Part, partsOf, type StoredPart } from './s3-parts.ts';

export type S3Sdk = typeof import('@aws-sdk/client-s3');

/** Where an upload goes: the object's full key in its bucket. */
export interface S3Target {
  sdk: S3Sdk;
  client: S3Client;
  Bucket: string;
  Key: string;
  /** For what is stored there from now on. */
  encryption: S3Encryption | undefined;
}

export interface S3UploadOptions extends UploadOptions {
  partSizeBytes: number;
  /** Parts on their way at the same time; each is in memory as a whole, so that it can be sent again. */
  concurrency: number;
}

/** Stores a small blob with one request. */
export async function putWhole(target: S3Target, source: BlobSource, { signal }: UploadOptions): Promise<void> {
  const { sdk, client, Bucket, Key, encryption } = target;
  const body = await readPart(source, { number: 1, start: 0, end: source.sizeBytes }, signal);
  const answer = await client.send(
    new sdk.PutObjectCommand({ Bucket, Key, ...body, ...encryptionHeaders(encryption) }),
    abortBy(signal),
  );
  await keepOnlyEncrypted(target, answer);
}

/**
 * Stores a blob in parts, going on with an unfinished upload of the same key where there is one. Two writers may work
 * on the same upload: their parts are the same. The one that comes too late finds the upload gone; it rejects with
 * `NoSuchUpload`, and its caller looks whether the blob is there.
 */
export async function putInParts(target: S3Target, source: BlobSource, options: S3UploadOptions): Promise<void> {
  const { sdk, client, Bucket, Key } = target;
  const parts = partsOf(source.sizeBytes, options.partSizeBytes);
  const unfinished = await unfinishedUploads(target, options.signal);
  const resumed = await firstResumable(target, unfinished, parts, options.signal);
  const UploadId = resumed?.id ?? (await createUpload(target, options.signal));
  const done = new Map([...(resumed?.parts ?? [])].map(([number, part]) => [number, part.etag]));

  let bytesDone = 0;
  for (const part of parts) if (done.has(part.number)) bytesDone += part.end - part.start;
  options.onProgress?.(bytesDone);

  const missing = parts.filter((part) => !done.has(part.number));
  await eachOf(missing, options.concurrency, options.signal, async (part) => {
    const body = await readPart(source, part, options.signal);
    const answer = await client.send(
      new sdk.UploadPartCommand({ Bucket, Key, UploadId, PartNumber: part.number, ...body }),
      abortBy(options.signal),
    );
    if (!answer.ETag)
      throw new StarlingError('UNAVAILABLE', `bucket ${Bucket} stored part ${part.number} without an ETag`);
    done.set(part.number, answer.ETag);
    bytesDone += part.end - part.start;
    options.onProgress?.(bytesDone);
  });

  const Parts = parts.map(({ number }) => ({ PartNumber: number, ETag: done.get(number) }));
  await client.send(
    new sdk.CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    abortBy(options.signal),
  );
  // What is gone on with may have been begun before encryption was asked for; a new one has said that it will be.
  if (resumed && target.encryption)
    await keepOnlyEncrypted(target, await client.send(new sdk.HeadObjectCommand({ Bucket, Key })));
  // What others left unfinished can only waste space now.
  for (const id of unfinished.filter((other) => other !== UploadId)) await abortUpload(target, id);
}

async function createUpload(target: S3Target, signal?: AbortSignal): Promise<string> {
  const { sdk, client, Bucket, Key, encryption } = target;
  const answer = await client.send(
    new sdk.CreateMultipartUploadCommand({ Bucket, Key, ...encryptionHeaders(encryption) }),
    abortBy(signal),
  );
  const { UploadId } = answer;
  if (!UploadId) throw new StarlingError('UNAVAILABLE', `bucket ${Bucket} began an upload without giving it an id`);
  try {
    insistEncrypted(encryption, answer, Bucket);
  } catch (thrown) {
    await abortUpload(target, UploadId);
    throw thrown;
  }
  return UploadId;
}

/** Deletes what was just stored unless it is encrypted as asked: the next upload would take it for done. */
async function keepOnlyEncrypted(target: S3Target, answer: { ServerSideEncryption?: string | undefined }) {
  const { sdk, client, Bucket, Key, encryption } = target;
  try {
    insistEncrypted(encryption, answer, Bucket);
  } catch (thrown) {
    await client.send(new sdk.DeleteObjectCommand({ Bucket, Key }));
    throw thrown;
  }
}

/** The ids of the unfinished uploads of exactly this key, the newest first; at most the 1,000 of one answer. */
async function unfinishedUploads({ sdk, client, Bucket, Key }: S3Target, signal?: AbortSignal): Promise<string[]> {
  const answer = await client.send(new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: Key }), abortBy(signal));
  return (answer.Uploads ?? [])
    .filter((upload) => upload.Key === Key && upload.UploadId !== undefined)
    .sort((a, b) => (b.Initiated?.getTime() ?? 0) - (a.Initiated?.getTime() ?? 0))
    .map((upload) => upload.UploadId as string);
}

async function firstResumable(target: S3Target, ids: readonly string[], parts: readonly Part[], signal?: AbortSignal) {
  for (const id of ids) {
    try {
      const kept = keptParts(parts, await storedParts(target, id, signal));
      if (kept) return { id, parts: kept };
    } catch (thrown) {
      if (!isMissingUpload(thrown)) throw thrown;
    }
  }
  return undefined;
}

async function storedParts(target: S3Target, UploadId: string, signal?: AbortSignal): Promise<StoredPart[]> {
  const { sdk, client, Bucket, Key } = target;
  const found: StoredPart[] = [];
  let marker: string | undefined;
  do {
    const answer = await client.send(
      new sdk.ListPartsCommand({ Bucket, Key, UploadId, ...(marker ? { PartNumberMarker: marker } : {}) }),
      abortBy(signal),
    );
    for (const { PartNumber, Size, ETag } of answer.Parts ?? [])
      found.push({ number: PartNumber ?? 0, sizeBytes: Size ?? -1, etag: ETag ?? '' });
    const next = answer.IsTruncated ? answer.NextPartNumberMarker : undefined;
    marker = next === marker ? undefined : next;
  } while (marker !== undefined);
  return found;
}

async function abortUpload({ sdk, client, Bucket, Key }: S3Target, UploadId: string): Promise<void> {
  await client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(() => {});
}

/**
 * The bytes of a part, and their MD5, so that the store refuses what was damaged on the way to it. MD5, since every
 * S3-compatible store compares it, which is not so for newer checksums; what we read back is held against SHA-256.
 */
async function readPart(source: BlobSource, part: Part, signal: AbortSignal | undefined) {
  const bytes = Buffer.allocUnsafe(part.end - part.start);
  const digest = createHash('md5');
  let filled = 0;
  const stream = source.read(part.start, part.end);
  const abort = () => stream.destroy(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    signal?.throwIfAborted();
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      digest.update(chunk);
      if (filled + chunk.length <= bytes.length) chunk.copy(bytes, filled);
      filled += chunk.length;
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    stream.destroy();
  }
  if (filled === bytes.length) return { Body: bytes, ContentMD5: digest.digest('base64') };
  throw new StarlingError('UNAVAILABLE', `the source gave ${filled} bytes of ${part.start} to ${part.end}`, {
    fix: 'It changed or was cut off while it was read; upload it again.',
  });
}

/**
 * Runs `work` for each item, some at once. After the first failure no more are begun; those on their way still arrive,
 * for the next try to build on, and then the failure is thrown.
 */
async function eachOf<T>(
  items: readonly T[],
  concurrency: number,
  signal: AbortSignal | undefined,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { thrown: unknown } | undefined;
  const lane = async () => {
    while (next < items.length && !failure && !signal?.aborted) {
      try {
        await work(items[next++] as T);
      } catch (thrown) {
        failure ??= { thrown };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, lane));
  signal?.throwIfAborted();
  if (failure) throw failure.thrown;
}

const abortBy = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {});
