import { createHash } from 'node:crypto';
import { canonicalJson } from '@starling/shared/canonical-json.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import {
  type Manifest,
  manifest as manifestSchema,
  maxManifestBytes,
  treeDefect,
  type UnsignedManifest,
} from '@starling/shared/manifest.ts';
import type { Signer } from '@starling/shared/signing.ts';

export interface SignedManifest {
  manifest: Manifest;
  /** Its canonical JSON: the blob that is stored. */
  bytes: Buffer;
  /** SHA-256 of `bytes`, which names it everywhere. */
  digest: string;
}

/**
 * Signs a manifest and gives it the bytes it is stored as. `signer` signs documents of the kind `manifest`.
 * INVALID_INPUT when it would be larger than any reader takes; a manifest that readers would refuse is a defect.
 */
export function makeManifest(unsigned: UnsignedManifest, signer: Signer): SignedManifest {
  const manifest = signer.sign(unsigned);
  manifestSchema.parse(manifest);
  const defect = treeDefect(manifest.entries, manifest.pack.sizeBytes);
  if (defect !== undefined) throw new Error(`the packed tree is defective: ${defect}`);
  const bytes = Buffer.from(canonicalJson(manifest));
  if (bytes.length > maxManifestBytes)
    throw new StarlingError(
      'INVALID_INPUT',
      `the manifest of this artifact would have ${formatBytes(bytes.length)}; ${formatBytes(maxManifestBytes)} is the most`,
      { field: 'build.artifact', fix: 'Pack its many files into fewer ones in the recipe.' },
    );
  return { manifest, bytes, digest: createHash('sha256').update(bytes).digest('hex') };
}
