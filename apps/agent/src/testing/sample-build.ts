import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestChunk, TreeEntry } from '@starling/packs/manifest.ts';
import { decodeManifest } from '@starling/packs/manifest-codec.ts';
import { planUpdate } from '@starling/packs/plan.ts';
import { type Manifest, signManifest } from '@starling/packs/signed-manifest.ts';
import type { Pack, RunSpec } from '@starling/shared/manifest.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import type { Target, UnsignedVersionKey, VersionKey } from '@starling/shared/version-key.ts';
import { packOf, TorrentHasher } from '@starling/swarm/torrent-info.ts';
import type { PreparedUpdate } from '../fetch/update.ts';

export const manifestKey = generateSigningKey();
export const versionKeyPair = generateSigningKey();

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

export type SampleTree = Record<string, string | { executable: string } | { link: string } | null>;

export interface SampleBuild {
  target: Target;
  manifestBytes: Buffer;
  packBytes: Buffer;
  packSha256: string;
  infoHash: string;
  pack: Pack;
  manifest: Manifest;
}

export const plainRun: RunSpec = {
  command: null,
  environment: {},
  port: null,
  stopGraceMs: 2_000,
  health: { type: 'none' },
  healthIntervalMs: 50,
  minHealthyTimeMs: 150,
  healthyDeadlineMs: 5_000,
};

/** For a program that ends soon: however busy the machine, it has not been well for long enough when it does. */
export const longWatched: Partial<RunSpec> = { minHealthyTimeMs: 10_000, healthyDeadlineMs: 30_000 };

const chunkBytes = 256 * 1024;

/**
 * A signed build of a small tree: text is a file, `{link}` a symbolic link, null an empty directory. Each file is cut into
 * chunks of its own, which are stored as they are, so the pack is the contents of the files one after another.
 */
export function sampleBuild(
  sha: string,
  tree: SampleTree,
  run: Partial<RunSpec> = {},
  { project = 'hello', deployment = 1, signer = manifestKey.privatePem } = {},
): SampleBuild {
  const contents: Buffer[] = [];
  const chunks: ManifestChunk[] = [];
  let offset = 0;
  const entries = Object.keys(tree)
    .sort()
    .map((path): TreeEntry => {
      const value = tree[path];
      if (value === null || value === undefined) return { type: 'directory', path };
      if (typeof value === 'object' && 'link' in value) return { type: 'link', path, target: value.link };
      const executable = typeof value === 'object';
      const bytes = Buffer.from(typeof value === 'object' ? value.executable : value);
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        const chunk = bytes.subarray(at, at + chunkBytes);
        const { length } = chunk;
        chunks.push({ digest: sha256(chunk), length, pack: 0, offset, encodedLength: length });
        offset += length;
      }
      contents.push(bytes);
      return { type: 'file', path, executable, sizeBytes: bytes.length };
    });
  const packBytes = Buffer.concat(contents);
  const hasher = new TorrentHasher('pack', packBytes.length);
  hasher.update(packBytes);
  const { info, infoHash } = hasher.finish();
  const build = `${project}@${sha.padEnd(12, '0')}`;
  const packSha256 = sha256(packBytes);
  const details = {
    project,
    provenance: {
      repositoryUrl: 'file:///sample',
      commitSha: sha.padEnd(40, '0'),
      recipeDigest: sha256(''),
      worker: 'test',
      startedAt: 0,
      finishedAt: 1,
    },
    run: { ...plainRun, ...run },
  };
  const { bytes, digest } = signManifest(
    {
      build,
      details,
      entries,
      packs: [{ digest: packSha256, sizeBytes: packBytes.length, torrentInfo: Buffer.from(info, 'base64') }],
      chunks,
      ancestors: [],
      patches: [],
    },
    new Signer('manifest', signer),
  );
  const { details: _, ...decoded } = decodeManifest(bytes).manifest;
  return {
    target: { build, manifestDigest: digest, deployment },
    manifestBytes: bytes,
    packBytes,
    packSha256,
    infoHash,
    pack: packOf(decoded.packs[0]!),
    manifest: { ...decoded, ...details, digest },
  };
}

/** Puts a build's pack and manifest where the fake hub and the fake swarm find them. */
export async function publish(folder: string, build: SampleBuild): Promise<void> {
  await mkdir(join(folder, 'packs'), { recursive: true });
  await mkdir(join(folder, 'manifests'), { recursive: true });
  await writeFile(join(folder, 'packs', build.packSha256), build.packBytes);
  await writeFile(join(folder, 'manifests', build.target.manifestDigest), build.manifestBytes);
}

export function sampleKey(
  sequence: number,
  stable: Target | null,
  rest: Partial<UnsignedVersionKey> = {},
  privatePem = versionKeyPair.privatePem,
): VersionKey {
  return new Signer('version-key', privatePem).sign({
    format: 1 as const,
    project: 'hello',
    region: 'eu',
    sequence,
    issuedAt: Date.now(),
    expiresAt: Date.now() + 3_600_000,
    stable,
    candidate: null,
    prefetch: [],
    quarantined: [],
    ...rest,
  });
}

/** What an update from nothing is made of, once its pack lies at `packPath`. */
export function fromPack({ manifest, packSha256 }: SampleBuild, packPath: string): PreparedUpdate {
  const plan = planUpdate({ target: manifest, bases: [] });
  return { plan, bases: new Map(), packFiles: new Map([[packSha256, packPath]]) };
}

/** A candidate for every machine. */
export const forAll = (target: Target) => ({ ...target, salt: 'salt', fraction: 1 });
