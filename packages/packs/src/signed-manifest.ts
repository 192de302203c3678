import { createHash } from 'node:crypto';
import { canonicalJson } from '@starling/shared/canonical-json.ts';
import { formatBytes } from '@starling/shared/durations.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import { type BuildDetails, buildDetails, maxManifestBytes } from '@starling/shared/manifest.ts';
import type { Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { buildId } from '@starling/shared/words.ts';
import type { BuildManifest } from './manifest.ts';
import { decodeManifest, encodeManifest, signedBytes } from './manifest-codec.ts';
import { Malformed } from './varint.ts';

/** A manifest as its readers see it: what it says of the bytes, and its details, checked. */
export type Manifest = Omit<BuildManifest, 'details'> & BuildDetails & { digest: string };

/** What the reader was told to expect: the digest always, and whose build it is where that is known. */
export interface ExpectedManifest {
  /** SHA-256 of the manifest's bytes, 64 lower-case hexadecimal digits. */
  digest: string;
  build?: string;
  project?: string;
}

/**
 * Reads a manifest's bytes and vouches for them: digest, form, signature (of a key trusted for `manifest`), details, and
 * that it is the build that was asked for. Nothing of a refused manifest is returned.
 * Throws INVALID_INPUT with the reason; `field` is `manifest.digest`, `.form`, `.signature`, `.details`, `.build` or
 * `.project`.
 */
export function verifyManifest(bytes: Uint8Array, expected: ExpectedManifest, trusted: TrustedKeys): Manifest {
  const refuse = (what: string, reason: string, cause?: unknown): never => {
    throw new StarlingError('INVALID_INPUT', `manifest ${expected.digest.slice(0, 12)} is refused: ${reason}`, {
      field: `manifest.${what}`,
      fix: 'Fetch the manifest again; if that does not help, build the commit once more.',
      ...(cause === undefined ? {} : { cause }),
    });
  };
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== expected.digest) refuse('digest', `its bytes have the digest ${digest}, not ${expected.digest}`);
  const { manifest, signatureStart } = decoded(bytes, refuse);
  const refusal = trusted.refusalOfBytes(bytes.subarray(0, signatureStart), manifest.signature);
  if (refusal !== undefined) refuse('signature', refusal);
  const { details, ...rest } = manifest;
  const parsed = buildDetails.safeParse(parseJson(details));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse('details', `${issue?.path.join('.') || 'its details'}: ${issue?.message}`, parsed.error);
  }
  if (!buildId.safeParse(manifest.build).success) refuse('build', `${JSON.stringify(manifest.build)} is no build`);
  if (expected.build !== undefined && manifest.build !== expected.build)
    refuse('build', `it is of the build ${manifest.build}, not of ${expected.build}`);
  const { project } = parsed.data;
  if (expected.project !== undefined && project !== expected.project)
    refuse('project', `it is of the project ${project}, not of ${expected.project}`);
  return { ...rest, ...parsed.data, digest };
}

/**
 * Signs a manifest and gives it the bytes that are stored. `signer` signs documents of the kind `manifest`.
 * INVALID_INPUT when it would be larger than any reader takes; a manifest that readers would refuse is a defect.
 */
export function signManifest(
  { details, ...rest }: Omit<BuildManifest, 'details' | 'signature'> & { details: BuildDetails },
  signer: Signer,
): { bytes: Buffer<ArrayBuffer>; digest: string } {
  buildId.parse(rest.build);
  const unsigned = { ...rest, details: Buffer.from(canonicalJson(buildDetails.parse(details))) };
  const body = signedBytes(unsigned);
  if (body.length > maxManifestBytes - 1024)
    throw new StarlingError(
      'INVALID_INPUT',
      `the manifest of this artifact would have ${formatBytes(body.length)}; ${formatBytes(maxManifestBytes)} is the most`,
      { field: 'build.artifact', fix: 'Pack its many files into fewer ones in the recipe.' },
    );
  const signature = { keyId: signer.keyId, value: signer.signBytes(body) };
  const bytes = encodeManifest({ ...unsigned, signature });
  return { bytes, digest: createHash('sha256').update(bytes).digest('hex') };
}

function decoded(bytes: Uint8Array, refuse: (what: string, reason: string, cause?: unknown) => never) {
  try {
    return decodeManifest(bytes);
  } catch (thrown) {
    if (!(thrown instanceof Malformed)) throw thrown;
    return refuse('form', thrown.message, thrown);
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
