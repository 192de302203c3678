import type { Stats } from 'node:fs';
import { lstat, readdir, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { StarlingError } from '@starling/shared/errors.ts';
import {
  artifactPath as artifactPathSchema,
  comparePaths,
  leavesTheTree,
  maxEntries,
} from '@starling/shared/manifest.ts';

// What there is to pack, before a byte of it is read: names, sizes and kinds, in the order of a manifest.

export type ScannedEntry =
  | { type: 'file'; path: string; file: string; sizeBytes: number; modifiedMs: number; executable: boolean }
  | { type: 'link'; path: string; target: string }
  | { type: 'directory'; path: string };

export interface ScanRequest {
  /** The checkout. */
  root: string;
  /** The artifact below it, as `starling.yml` names it; `.` is the whole checkout without `.git`. */
  artifactPath: string;
  /** What an artifact that is a single file is called; its own name by default. */
  binaryName?: string;
  signal?: AbortSignal;
}

const ownerExecutes = 0o100;
const namesShown = 10;

/** Throws INVALID_INPUT, with the field `build.artifact`, when this is nothing that can be packed. */
export async function scanArtifact({ root, artifactPath, binaryName, signal }: ScanRequest): Promise<ScannedEntry[]> {
  const checkout = await realpath(root);
  const named = join(checkout, artifactPath);
  if (!isInside(checkout, named)) throw refusal(`the artifact ${artifactPath} is not inside the checkout`);
  const artifact = await realpath(named).catch(async () => {
    throw await missing(checkout, named, artifactPath);
  });
  if (!isInside(checkout, artifact))
    throw refusal(`the artifact ${artifactPath} leads out of the checkout, to ${artifact}`);

  const stats = await lstat(artifact);
  if (stats.isFile()) {
    const path = binaryName ?? basename(named);
    checkPath(path);
    return nonEmpty([fileEntry(path, artifact, stats)], artifactPath);
  }
  if (!stats.isDirectory()) throw refusal(`the artifact ${artifactPath} is ${kindOf(stats)}, not a file or folder`);
  const entries: ScannedEntry[] = [];
  await walk({ artifact, leaveOut: artifact === checkout ? '.git' : undefined, entries, signal }, '');
  return nonEmpty(
    entries.sort((a, b) => comparePaths(a.path, b.path)),
    artifactPath,
  );
}

interface Walk {
  artifact: string;
  /** A name at the top that is no part of the artifact. */
  leaveOut: string | undefined;
  entries: ScannedEntry[];
  signal: AbortSignal | undefined;
}

async function walk(scan: Walk, below: string): Promise<void> {
  scan.signal?.throwIfAborted();
  for (const name of await readdir(join(scan.artifact, below))) {
    if (below === '' && name === scan.leaveOut) continue;
    const path = below + name;
    checkPath(path);
    if (scan.entries.length >= maxEntries)
      throw refusal(`the artifact has more than ${maxEntries.toLocaleString('en')} files, folders and links`, {
        fix: 'Pack them into one file in the recipe, or name a smaller folder.',
      });
    const file = join(scan.artifact, path);
    const stats = await lstat(file);
    if (stats.isFile()) scan.entries.push(fileEntry(path, file, stats));
    else if (stats.isSymbolicLink()) scan.entries.push(await linkEntry(scan.artifact, path, file));
    else if (stats.isDirectory()) {
      scan.entries.push({ type: 'directory', path });
      await walk(scan, `${path}/`);
    } else throw refusal(`${path} in the artifact is ${kindOf(stats)}; only files, folders and links can be packed`);
  }
}

function fileEntry(path: string, file: string, stats: Stats): ScannedEntry {
  const executable = (stats.mode & ownerExecutes) !== 0;
  return { type: 'file', path, file, sizeBytes: stats.size, modifiedMs: stats.mtimeMs, executable };
}

async function linkEntry(artifact: string, path: string, file: string): Promise<ScannedEntry> {
  const target = await readlink(file);
  const leadsOut = () => refusal(`the link ${path} leads out of the artifact, to ${target}`);
  if (target.length > 1024) throw refusal(`the link ${path} has a target of more than 1,024 characters`);
  if (leavesTheTree(path, target)) throw leadsOut();
  // Its text may look harmless and still go out by way of another link. One that leads nowhere yet is kept.
  const real = await realpath(file).catch(() => undefined);
  if (real !== undefined && !isInside(artifact, real)) throw leadsOut();
  return { type: 'link', path, target };
}

function checkPath(path: string): void {
  if (path.includes('\uFFFD')) throw refusal(`the name of ${JSON.stringify(path)} in the artifact is not UTF-8`);
  const parsed = artifactPathSchema.safeParse(path);
  if (!parsed.success)
    throw refusal(`${JSON.stringify(path)} cannot be a path in an artifact: ${parsed.error.issues[0]?.message}`);
}

function nonEmpty(entries: ScannedEntry[], artifactPath: string): ScannedEntry[] {
  if (entries.some((entry) => entry.type === 'file' && entry.sizeBytes > 0)) return entries;
  const what = entries.length === 0 ? 'an empty folder' : entries.length === 1 ? 'an empty file' : 'only empty files';
  throw refusal(`the artifact ${artifactPath} has no bytes: it is ${what}`, {
    fix: 'Check that the recipe writes its result there.',
  });
}

/** Names the first part of the path that is not there, and what is there instead. */
async function missing(checkout: string, named: string, artifactPath: string): Promise<StarlingError> {
  const stats = await lstat(named).catch(() => undefined);
  if (stats?.isSymbolicLink())
    return refusal(`the artifact ${artifactPath} is a link to ${await readlink(named)}, which is not there`);
  let folder = dirname(named);
  let names = await readdir(folder).catch(() => undefined);
  while (names === undefined && folder !== checkout) {
    folder = dirname(folder);
    names = await readdir(folder).catch(() => undefined);
  }
  const there = (names ?? []).filter((name) => name !== '.git').sort(comparePaths);
  const shown = there.slice(0, namesShown).join(', ');
  const rest = there.length > namesShown ? ` and ${there.length - namesShown} more` : '';
  const place = relative(checkout, folder) || 'the checkout';
  return refusal(
    `the artifact ${artifactPath} is not there after the recipe; ` +
      (there.length === 0 ? `${place} is empty` : `${place} has ${shown}${rest}`),
    { fix: 'Correct build.artifact in starling.yml, or the recipe that should write it.' },
  );
}

function kindOf(stats: Stats): string {
  if (stats.isSocket()) return 'a socket';
  if (stats.isFIFO()) return 'a named pipe';
  return stats.isBlockDevice() || stats.isCharacterDevice() ? 'a device' : 'something else';
}

const isInside = (folder: string, path: string): boolean => path === folder || path.startsWith(folder + sep);

const refusal = (message: string, details: { fix?: string } = {}): StarlingError =>
  new StarlingError('INVALID_INPUT', message, { field: 'build.artifact', ...details });
