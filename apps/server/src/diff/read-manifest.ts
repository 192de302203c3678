import { createHash } from 'node:crypto';
import type { BuildManifest } from '@starling/packs/manifest.ts';
import { decodeManifest } from '@starling/packs/manifest-codec.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { maxManifestBytes } from '@starling/shared/manifest.ts';
import { type BlobStore, manifestKey } from '../blobs/blob-store.ts';

/**
 * A manifest as the store has it, for people to look at: its digest is checked, its signature is the machines' business.
 * Throws NOT_FOUND when it is not there, INVALID_INPUT when it is not what its name says.
 */
export async function readManifest(store: BlobStore, digest: string): Promise<BuildManifest> {
  return decodeManifest(await readManifestBytes(store, digest)).manifest;
}

/** The same, as it is stored. */
export async function readManifestBytes(store: BlobStore, digest: string): Promise<Buffer> {
  const refuse = (why: string) => new StarlingError('INVALID_INPUT', `the manifest ${digest.slice(0, 12)} ${why}`);
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of await store.read(manifestKey(digest))) {
    bytes += (piece as Buffer).length;
    if (bytes > maxManifestBytes) throw refuse('is larger than a manifest may be');
    pieces.push(piece as Buffer);
  }
  const whole = Buffer.concat(pieces);
  if (createHash('sha256').update(whole).digest('hex') !== digest)
    throw refuse('came out of the store with other bytes');
  return whole;
}
