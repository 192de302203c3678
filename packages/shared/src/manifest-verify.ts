import { createHash } from 'node:crypto';
import { StarlingError } from './errors.ts';
import { type Manifest, manifest as manifestSchema, maxManifestBytes, treeDefect } from './manifest.ts';
import type { TrustedKeys } from './signing.ts';

/** What the reader was told to expect: the digest always, and whose build it is where that is known. */
export interface ExpectedManifest {
  /** SHA-256 of the manifest's bytes, 64 lower-case hexadecimal digits. */
  digest: string;
  build?: string;
  project?: string;
}

/**
 * Reads a manifest's bytes and vouches for them: digest, form, signature (of a key trusted for `manifest`), the tree
 * of files, and that it is the build that was asked for. Nothing of a refused manifest is returned.
 * Throws INVALID_INPUT with the reason; `field` is `manifest.size`, `.digest`, `.json`, `.schema`, `.signature`,
 * `.tree`, `.build` or `.project`.
 */
export function verifyManifest(bytes: Uint8Array, expected: ExpectedManifest, trusted: TrustedKeys): Manifest {
  const refuse = (what: string, reason: string, cause?: unknown): never => {
    throw new StarlingError('INVALID_INPUT', `manifest ${expected.digest.slice(0, 12)} is refused: ${reason}`, {
      field: `manifest.${what}`,
      fix: 'Fetch the manifest again; if that does not help, build the commit once more.',
      ...(cause === undefined ? {} : { cause }),
    });
  };

  if (bytes.length > maxManifestBytes)
    refuse('size', `it has ${bytes.length} bytes, and ${maxManifestBytes} is the most a manifest may have`);
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== expected.digest) refuse('digest', `its bytes have the digest ${digest}, not ${expected.digest}`);

  const document = parseJson(bytes, (cause) => refuse('json', 'it is not JSON in UTF-8', cause));
  const parsed = manifestSchema.safeParse(document);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse('schema', `${issue?.path.join('.') || 'the document'}: ${issue?.message}`, parsed.error);
  }
  const manifest = parsed.data;

  // The signature is over all that was written, also members that this version of the schema drops.
  const refusal = trusted.refusal(document as Manifest);
  if (refusal !== undefined) refuse('signature', refusal);
  const defect = treeDefect(manifest.entries, manifest.pack.sizeBytes);
  if (defect !== undefined) refuse('tree', defect);
  if (expected.build !== undefined && manifest.build !== expected.build)
    refuse('build', `it is of the build ${manifest.build}, not of ${expected.build}`);
  if (expected.project !== undefined && manifest.project !== expected.project)
    refuse('project', `it is of the project ${manifest.project}, not of ${expected.project}`);
  return manifest;
}

function parseJson(bytes: Uint8Array, onError: (cause: unknown) => never): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    return onError(thrown);
  }
}
