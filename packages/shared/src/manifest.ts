import { z } from 'zod';
import { hooks, programLimits, userName } from './lifecycle.ts';
import { commitSha, infoHashHex, projectName, sha256Hex } from './words.ts';

// What a manifest says that is not about bytes, and what is a path and a link of an artifact. The manifest itself, with
// its chunks and packs, is in packages/packs.

export const maxManifestBytes = 64 * 1024 * 1024;
export const maxEntries = 1_000_000;

/** A path inside the artifact: relative, `/` between names, no empty, `.` or `..` names, no backslash or NUL. */
export const artifactPath = z
  .string()
  .min(1)
  .max(1024)
  .refine(
    (path) => !/[\\\0]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
    'a path in an artifact is relative and has no empty, "." or ".." part',
  );

/** A pack as the swarm knows it. */
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

/** The details of a manifest: JSON within it, under the same signature. Members that a reader does not know are kept out. */
export const buildDetails = z.object({
  project: projectName,
  provenance: z.object({
    repositoryUrl: z.string(),
    commitSha,
    recipeDigest: sha256Hex,
    worker: z.string(),
    startedAt: z.number().int(),
    finishedAt: z.number().int(),
  }),
  run: runSpec,
});
export type BuildDetails = z.infer<typeof buildDetails>;

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
