import { z } from 'zod';
import { hooks, programLimits, userName } from './lifecycle.ts';
import { buildId, commitSha, infoHashHex, projectName, sha256Hex } from './words.ts';

// The manifest names every byte of a build. The tree's file contents, one after another in the order of
// their paths, are the pack: one immutable object in the blob stores and one torrent in the swarm. So a file
// is a range of the pack, and packing the same tree anywhere gives the same pack.

export const maxManifestBytes = 32 * 1024 * 1024;
export const maxEntries = 100_000;

/** A path inside the artifact: relative, `/` between names, no empty, `.` or `..` names, no backslash or NUL. */
export const artifactPath = z
  .string()
  .min(1)
  .max(1024)
  .refine(
    (path) => !/[\\\0]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
    'a path in an artifact is relative and has no empty, "." or ".." part',
  );

const file = z.object({
  type: z.literal('file'),
  path: artifactPath,
  executable: z.boolean(),
  sizeBytes: z.number().int().nonnegative(),
  /** Where the file's bytes begin in the pack. */
  offset: z.number().int().nonnegative(),
  sha256: sha256Hex,
});
const link = z.object({ type: z.literal('link'), path: artifactPath, target: z.string().min(1).max(1024) });
const directory = z.object({ type: z.literal('directory'), path: artifactPath });
export const artifactEntry = z.discriminatedUnion('type', [file, link, directory]);
export type ArtifactEntry = z.infer<typeof artifactEntry>;
export type ArtifactFile = z.infer<typeof file>;

export const pack = z.object({
  sha256: sha256Hex,
  sizeBytes: z.number().int().positive(),
  torrent: z.object({
    infoHash: infoHashHex,
    /** The bencoded info dictionary (BEP 3, with `private` as in BEP 27), base64. Its SHA-1 is the info hash. */
    info: z.string().max(8 * 1024 * 1024),
    pieceLength: z.number().int().positive(),
  }),
});
export type Pack = z.infer<typeof pack>;

export const healthCheck = z.discriminatedUnion('type', [
  z.object({ type: z.literal('http'), path: z.string(), timeoutMs: z.number().int().positive() }),
  z.object({ type: z.literal('tcp'), timeoutMs: z.number().int().positive() }),
  z.object({ type: z.literal('command'), command: z.string(), timeoutMs: z.number().int().positive() }),
  z.object({ type: z.literal('none') }),
]);
export type HealthCheck = z.infer<typeof healthCheck>;

/** How a machine runs the build: what `starling.yml` said at that commit. */
export const runSpec = z.object({
  /** Run with `sh -c` in the slot; null for a build that is only unpacked (a tool, a library, data). */
  command: z.string().nullable(),
  environment: z.record(z.string(), z.string()),
  /** The port the program listens on, told to it as PORT; `auto` lets the machine choose a free one. */
  port: z.union([z.literal('auto'), z.number().int().min(1).max(65535)]).nullable(),
  stopGraceMs: z.number().int().nonnegative(),
  health: healthCheck,
  healthIntervalMs: z.number().int().positive(),
  minHealthyTimeMs: z.number().int().nonnegative(),
  healthyDeadlineMs: z.number().int().positive(),
  hooks: hooks.optional(),
  /** Whom the program and the hooks run as; the agent's own user when left out. */
  user: userName.optional(),
  limits: programLimits.optional(),
});
export type RunSpec = z.infer<typeof runSpec>;

export const manifest = z.object({
  format: z.literal(1),
  build: buildId,
  project: projectName,
  provenance: z.object({
    repositoryUrl: z.string(),
    commitSha,
    recipeDigest: sha256Hex,
    worker: z.string(),
    startedAt: z.number().int(),
    finishedAt: z.number().int(),
  }),
  entries: z.array(artifactEntry).min(1).max(maxEntries),
  pack,
  run: runSpec,
  signature: z.object({ keyId: z.string().max(64), value: z.string().max(128) }),
});
export type Manifest = z.infer<typeof manifest>;
export type UnsignedManifest = Omit<Manifest, 'signature'>;

/**
 * What is wrong with the tree that the entries describe, or undefined: the files must tile the pack exactly, in
 * path order, no path may stand twice or lie below a file or link, and no link may lead out of the tree.
 */
export function treeDefect(entries: readonly ArtifactEntry[], packSizeBytes: number): string | undefined {
  let offset = 0;
  let previous = '';
  const leaves = new Set<string>();
  for (const entry of entries) {
    if (previous !== '' && comparePaths(previous, entry.path) >= 0)
      return `${entry.path} is out of order or stands twice`;
    previous = entry.path;
    for (let end = entry.path.lastIndexOf('/'); end > 0; end = entry.path.lastIndexOf('/', end - 1)) {
      if (leaves.has(entry.path.slice(0, end)))
        return `${entry.path} lies below ${entry.path.slice(0, end)}, which is no directory`;
    }
    if (entry.type !== 'directory') leaves.add(entry.path);
    if (entry.type === 'link' && leavesTheTree(entry.path, entry.target)) {
      return `the link ${entry.path} leads out of the artifact, to ${entry.target}`;
    }
    if (entry.type === 'file') {
      if (entry.offset !== offset)
        return `${entry.path} begins at ${entry.offset} of the pack, where ${offset} was expected`;
      offset += entry.sizeBytes;
    }
  }
  return offset === packSizeBytes ? undefined : `the files have ${offset} bytes together, the pack ${packSizeBytes}`;
}

/** The order of paths in a manifest: by UTF-16 code unit, the same on every machine and in every locale. */
export function comparePaths(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether a link at `path` would point outside the artifact it is part of. */
export function leavesTheTree(path: string, linkTarget: string): boolean {
  if (linkTarget.startsWith('/')) return true;
  let depth = path.split('/').length - 1;
  for (const part of linkTarget.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '.' && part !== '') depth += 1;
    if (depth < 0) return true;
  }
  return false;
}
