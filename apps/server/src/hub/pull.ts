import type { Readable } from 'node:stream';
import { writeDurably } from '@starling/host/durable-file.ts';
import { type Manifest, verifyManifest } from '@starling/packs/signed-manifest.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { maxManifestBytes, type Pack } from '@starling/shared/manifest.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import type { Membership } from '@starling/swarm/swarm.ts';
import { manifestKey, packKey } from '../blobs/blob-store.ts';
import type { RegionBlobs } from './ports.ts';

/** A store that sends nothing for so long has failed, whatever its connection says. */
const stallTimeoutMs = 60_000;

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

/**
 * Pulls from the store what is missing of a pack, piece by piece: each is checked before it counts, and is served from then on.
 * Rejects with NOT_FOUND when the store does not have it, INVALID_INPUT when its bytes are not the pack's, UNAVAILABLE when
 * it ends too early, and with what the disk says; the next pull goes on where this one was.
 */
export async function pullPack(
  blobs: RegionBlobs,
  pack: Pack,
  membership: Pick<Membership, 'missing' | 'supply'>,
  signal: AbortSignal,
): Promise<void> {
  const key = packKey(pack.sha256);
  const deleteIt = { fix: 'Delete it there; the synchronizer copies it again.' };
  const size = await blobs.sizeOf(key);
  if (size === undefined) throw notThere(key, blobs);
  if (size !== pack.sizeBytes) {
    const has = `${key} has ${size} bytes in ${blobs.description}, not ${pack.sizeBytes}`;
    throw new StarlingError('INVALID_INPUT', has, deleteIt);
  }
  for (const [start, end] of membership.missing()) {
    const stream = await blobs.read(key, { start, end });
    await membership.supply(start, guarded(stream, signal), signal).catch((thrown: unknown) => {
      if (!(thrown instanceof StarlingError) || thrown.code !== 'INVALID_INPUT') throw thrown;
      throw new StarlingError(
        'INVALID_INPUT',
        `${key} from ${blobs.description} is refused: ${thrown.message}`,
        deleteIt,
      );
    });
  }
  const left = membership.missing()[0];
  if (left) throw new StarlingError('UNAVAILABLE', `${blobs.description} ended ${key} before byte ${left[1]}`);
}

function notThere(key: string, blobs: RegionBlobs): StarlingError {
  return new StarlingError('NOT_FOUND', `${key} is not in ${blobs.description}`, {
    fix: 'Wait until the build is replicated to this region.',
  });
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
