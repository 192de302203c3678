import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { isMissing } from '@starling/host/disk-error.ts';
import { writeDurably } from '@starling/host/durable-file.ts';
import { type Manifest, verifyManifest } from '@starling/packs/signed-manifest.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { maxManifestBytes, type Pack } from '@starling/shared/manifest.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import { manifestKey, packKey } from '../blobs/blob-store.ts';
import type { RegionBlobs } from './ports.ts';

/** A store that sends nothing for so long has failed, whatever its connection says. */
const stallTimeoutMs = 60_000;
const syncEveryBytes = 64 * 1024 * 1024;

/** Pulls a manifest from the store to `path`, once it verifies. */
export async function pullManifest(
  blobs: RegionBlobs,
  named: { build: string; manifestDigest: string },
  trusted: TrustedKeys,
  path: string,
  signal: AbortSignal,
): Promise<Manifest> {
  const { manifestDigest: digest, build } = named;
  const parts: Buffer[] = [];
  let bytesRead = 0;
  const key = manifestKey(digest);
  if ((await blobs.sizeOf(key)) === undefined) throw notThere(key, blobs);
  for await (const part of guarded(await blobs.read(key), signal)) {
    bytesRead += part.length;
    if (bytesRead > maxManifestBytes)
      throw new StarlingError('INVALID_INPUT', `${key} is larger than a manifest may be`);
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  const manifest = verifyManifest(bytes, { digest, build }, trusted);
  await writeDurably(path, bytes);
  return manifest;
}

/** What the name of a file ends with that was not pulled to its end. */
export const partEnding = '.part';

/**
 * Pulls a pack from the store to `path`. Bytes that an interrupted pull left in `<path>.part` are kept, and the rest
 * is asked for from there on. The whole is checked by its SHA-256 before it gets its name; bytes that are not the
 * pack's are thrown away.
 */
export async function pullPack(
  blobs: RegionBlobs,
  pack: Pack,
  path: string,
  onProgress: (bytesDone: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const key = packKey(pack.sha256);
  const size = await blobs.sizeOf(key);
  if (size === undefined) throw notThere(key, blobs);
  if (size !== pack.sizeBytes) {
    throw new StarlingError(
      'INVALID_INPUT',
      `${key} has ${size} bytes in ${blobs.description}, not ${pack.sizeBytes}`,
      {
        fix: 'Delete it there; the synchronizer copies it again.',
      },
    );
  }
  const partial = `${path}${partEnding}`;
  const hash = createHash('sha256');
  let bytesDone = Math.min(await sizeOfFile(partial), pack.sizeBytes);
  if (bytesDone > 0) {
    for await (const chunk of createReadStream(partial, { end: bytesDone - 1, highWaterMark: 1024 * 1024, signal })) {
      hash.update(chunk as Buffer);
    }
  }
  const handle = await open(partial, bytesDone > 0 ? 'r+' : 'w', 0o644);
  try {
    onProgress(bytesDone);
    let unsynced = 0;
    if (bytesDone < pack.sizeBytes) {
      const stream = await blobs.read(key, { start: bytesDone, end: pack.sizeBytes });
      for await (const chunk of guarded(stream, signal)) {
        const rest = chunk.subarray(0, pack.sizeBytes - bytesDone);
        hash.update(rest);
        await writeAll(handle, rest, bytesDone);
        bytesDone += rest.length;
        unsynced += rest.length;
        onProgress(bytesDone);
        // A little at a time, so that the last sync of a large pack does not stop the disk for everyone.
        if (unsynced >= syncEveryBytes) {
          await handle.datasync();
          unsynced = 0;
        }
      }
    }
    if (bytesDone < pack.sizeBytes)
      throw new StarlingError('UNAVAILABLE', `${blobs.description} ended ${key} after ${bytesDone} bytes`);
    await handle.truncate(pack.sizeBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  const digest = hash.digest('hex');
  if (digest !== pack.sha256) {
    await rm(partial, { force: true });
    throw new StarlingError(
      'INVALID_INPUT',
      `${key} from ${blobs.description} is refused: its bytes have the digest ${digest}`,
      {
        fix: 'Delete it there; the synchronizer copies it again.',
      },
    );
  }
  await rename(partial, path);
}

function notThere(key: string, blobs: RegionBlobs): StarlingError {
  return new StarlingError('NOT_FOUND', `${key} is not in ${blobs.description}`, {
    fix: 'Wait until the build is replicated to this region.',
  });
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

async function sizeOfFile(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    (error: unknown) => {
      if (isMissing(error)) return 0;
      throw error;
    },
  );
}

/** The chunks of a stream; it is destroyed when it stands still for too long, on abort and when the reader stops. */
async function* guarded(stream: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const onAbort = () => stream.destroy(new Error('aborted'));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const stall = setTimeout(() => {
    stream.destroy(new StarlingError('TIMEOUT', `the blob store sent nothing for ${stallTimeoutMs / 1_000} s`));
  }, stallTimeoutMs).unref();
  try {
    for await (const chunk of stream) {
      stall.refresh();
      yield chunk as Buffer;
      stall.refresh();
    }
  } finally {
    clearTimeout(stall);
    signal.removeEventListener('abort', onAbort);
    stream.destroy();
  }
}
