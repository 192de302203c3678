import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { isTreeRight } from '@starling/packs/check-tree.ts';
import type { StreamFile } from '@starling/packs/file-stream.ts';
import { streamBytesOf } from '@starling/packs/manifest.ts';
import { type Manifest, verifyManifest } from '@starling/packs/signed-manifest.ts';
import { streamFilesOf } from '@starling/packs/tree-files.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { maxManifestBytes } from '@starling/shared/manifest.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import { type BlobStore, manifestKey } from '../blobs/blob-store.ts';
import type { Logger } from '../lib/log.ts';
import type { LiveBuild } from './ports.ts';

export interface BuildCacheOptions {
  folder: string;
  blobs: BlobStore;
  trusted: TrustedKeys;
  /** What the trees may take together. */
  budgetBytes: number;
  log: Logger;
}

/** `<digest of the manifest>-<bytes>`, so that what all trees take is known from their names. */
const treeShape = /^([0-9a-f]{64})-(\d+)$/;

/**
 * What a worker keeps of earlier builds, by project: manifests, and the newest tree, against which patches are made. All of
 * it can be had again: manifests and trees come from the main store, and what is damaged is thrown away when it is used.
 */
export class BuildCache {
  readonly #options: BuildCacheOptions;

  constructor(options: BuildCacheOptions) {
    this.#options = options;
  }

  /**
   * The manifests of builds, in their order. One that is gone from the store, or is signed by a key that is not trusted here,
   * is left out. Forgets those of the project that are not asked for.
   */
  async manifests(project: string, builds: readonly LiveBuild[]): Promise<Manifest[]> {
    const folder = join(this.#options.folder, project, 'manifests');
    await mkdir(folder, { recursive: true });
    const found = [];
    for (const build of builds) {
      const manifest = await this.#manifest(folder, build);
      if (manifest) found.push(manifest);
    }
    const wanted = new Set(builds.map(({ manifestDigest }) => manifestDigest));
    for (const name of await readdir(folder)) if (!wanted.has(name)) await rm(join(folder, name), { force: true });
    return found;
  }

  /** The files of a build's tree, if it is kept here and still what the manifest says. */
  async tree(manifest: Manifest, signal: AbortSignal): Promise<StreamFile[] | undefined> {
    const folder = this.treeFolder(manifest);
    if (!(await stat(folder).catch(() => undefined))) return undefined;
    const files = streamFilesOf(folder, manifest.entries);
    if (await isTreeRight(files, manifest, signal)) {
      const now = Date.now() / 1_000;
      await utimes(folder, now, now).catch(() => undefined);
      return files;
    }
    this.#options.log.warn({ build: manifest.build }, 'a tree that was kept is not what it was; it is thrown away');
    await rm(folder, { recursive: true, force: true });
    return undefined;
  }

  treeFolder({ project, digest, chunks }: Pick<Manifest, 'project' | 'digest' | 'chunks'>): string {
    return join(this.#options.folder, project, 'trees', `${digest}-${streamBytesOf({ chunks })}`);
  }

  /** Whether a tree of that size may be kept at all. */
  hasRoomFor(bytes: number): boolean {
    return bytes <= this.#options.budgetBytes;
  }

  /** Makes room for a tree of a project: its other trees go, and then those of others that were used longest ago. */
  async makeRoom(project: string, bytes: number): Promise<void> {
    const trees = [];
    for (const owner of await namesIn(this.#options.folder)) {
      for (const name of await namesIn(join(this.#options.folder, owner, 'trees'))) {
        const path = join(this.#options.folder, owner, 'trees', name);
        const size = treeShape.exec(name)?.[2];
        if (owner === project || size === undefined) await rm(path, { recursive: true, force: true });
        else trees.push({ path, bytes: Number(size), usedAt: (await stat(path)).mtimeMs });
      }
    }
    let taken = bytes + trees.reduce((sum, tree) => sum + tree.bytes, 0);
    for (const tree of trees.toSorted((a, b) => a.usedAt - b.usedAt)) {
      if (taken <= this.#options.budgetBytes) break;
      await rm(tree.path, { recursive: true, force: true });
      taken -= tree.bytes;
    }
  }

  /** Takes over the tree of a build that was just made. What cannot be kept is gone without. */
  async keep(manifest: Manifest, files: readonly StreamFile[]): Promise<void> {
    const bytes = streamBytesOf(manifest);
    if (!this.hasRoomFor(bytes)) return;
    try {
      await this.makeRoom(manifest.project, bytes);
      const folder = this.treeFolder(manifest);
      const [first] = files;
      if (!first) return;
      if (files.length > 1) {
        await mkdir(dirname(folder), { recursive: true });
        await rename(first.path.slice(0, -first.name.length), folder);
        await rm(join(folder, '.git'), { recursive: true, force: true });
      } else {
        await mkdir(dirname(join(folder, first.name)), { recursive: true });
        await rename(first.path, join(folder, first.name));
      }
    } catch (thrown) {
      this.#options.log.warn({ err: thrown }, `the tree is not kept for the next build: ${messageOf(thrown)}`);
    }
  }

  async #manifest(folder: string, { build, manifestDigest: digest }: LiveBuild): Promise<Manifest | undefined> {
    const { blobs, trusted, log } = this.#options;
    const path = join(folder, digest);
    const kept = await readFile(path).catch(() => undefined);
    const isKept = kept && createHash('sha256').update(kept).digest('hex') === digest;
    try {
      const key = manifestKey(digest);
      const size = isKept ? kept.length : await blobs.sizeOf(key);
      if (size === undefined || size > maxManifestBytes) return undefined;
      const bytes = isKept ? kept : await buffer(await blobs.read(key));
      const manifest = verifyManifest(bytes, { digest, build }, trusted);
      if (!isKept) await writeFile(path, bytes);
      return manifest;
    } catch (thrown) {
      const isAway = thrown instanceof StarlingError && thrown.code === 'UNAVAILABLE';
      if (isAway) throw thrown;
      log.warn({ build }, `nothing is borrowed from ${build}: ${messageOf(thrown)}`);
      return undefined;
    }
  }
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
