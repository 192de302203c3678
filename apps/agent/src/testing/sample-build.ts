import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '@starling/shared/canonical-json.ts';
import type { ArtifactEntry, RunSpec } from '@starling/shared/manifest.ts';
import { generateSigningKey, Signer } from '@starling/shared/signing.ts';
import type { Target, UnsignedVersionKey, VersionKey } from '@starling/shared/version-key.ts';
import { TorrentHasher } from '@starling/swarm/torrent-info.ts';

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

/**
 * A signed build of a small tree: text is a file, `{link}` a symbolic link, null an empty directory. The fake swarm
 * needs no torrent, a real one does.
 */
export function sampleBuild(
  sha: string,
  tree: SampleTree,
  run: Partial<RunSpec> = {},
  {
    project = 'hello',
    deployment = 1,
    signer = manifestKey.privatePem,
    realTorrent = false,
    changeEntries = (entries: ArtifactEntry[]) => entries,
  } = {},
): SampleBuild {
  const packs: Buffer[] = [];
  let offset = 0;
  const entries = Object.keys(tree)
    .sort()
    .map((path): ArtifactEntry => {
      const value = tree[path];
      if (value === null || value === undefined) return { type: 'directory', path };
      if (typeof value === 'object' && 'link' in value) return { type: 'link', path, target: value.link };
      const executable = typeof value === 'object';
      const bytes = Buffer.from(typeof value === 'object' ? value.executable : value);
      const begin = offset;
      packs.push(bytes);
      offset += bytes.length;
      return { type: 'file', path, executable, sizeBytes: bytes.length, offset: begin, sha256: sha256(bytes) };
    });
  const packBytes = Buffer.concat(packs);
  const hasher = new TorrentHasher('pack', packBytes.length);
  hasher.update(packBytes);
  const torrent = realTorrent
    ? hasher.finish()
    : { infoHash: sha256(packBytes).slice(0, 40), info: '', pieceLength: 16_384 };
  const { infoHash } = torrent;
  const build = `${project}@${sha.padEnd(12, '0')}`;
  const manifest = new Signer('manifest', signer).sign({
    format: 1 as const,
    build,
    project,
    provenance: {
      repositoryUrl: 'file:///sample',
      commitSha: sha.padEnd(40, '0'),
      recipeDigest: sha256(''),
      worker: 'test',
      startedAt: 0,
      finishedAt: 1,
    },
    entries: changeEntries(entries),
    pack: {
      sha256: sha256(packBytes),
      sizeBytes: packBytes.length,
      torrent,
    },
    run: { ...plainRun, ...run },
  });
  const manifestBytes = Buffer.from(canonicalJson(manifest));
  return {
    target: { build, manifestDigest: sha256(manifestBytes), deployment },
    manifestBytes,
    packBytes,
    packSha256: sha256(packBytes),
    infoHash,
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

/** A candidate for every machine. */
export const forAll = (target: Target) => ({ ...target, salt: 'salt', fraction: 1 });
