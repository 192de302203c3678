import { createHash } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMissing } from '@starling/host/disk-error.ts';
import { makeFolder, syncFolder, writeDurably } from '@starling/host/durable-file.ts';
import { type Assembled, assembleTree } from '@starling/packs/assemble.ts';
import { streamBytesOf } from '@starling/packs/manifest.ts';
import { decodeManifest } from '@starling/packs/manifest-codec.ts';
import { type Manifest, verifyManifest } from '@starling/packs/signed-manifest.ts';
import { threadsFor } from '@starling/packs/thread-pool.ts';
import { streamFilesOf } from '@starling/packs/tree-files.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import type { Target } from '@starling/shared/version-key.ts';
import type { BaseTree, PreparedUpdate } from '../fetch/update.ts';
import { throwIfAborted } from '../lib/abort.ts';
import { isFolder, namesIn } from '../lib/folders.ts';
import { pointCurrentTo } from './current-link.ts';
import { type ProjectLayout, slotName } from './layout.ts';

const manifestEnding = '.manifest';
/** Putting a tree together keeps up with a disk with as many, and a machine has memory for other things. */
const mostThreads = 3;

/** The slots of one project: manifests that are trusted, and trees that were verified. */
export class SlotStore {
  readonly #layout: ProjectLayout;
  readonly #project: string;
  readonly #trusted: TrustedKeys;

  constructor(project: string, layout: ProjectLayout, trusted: TrustedKeys) {
    this.#project = project;
    this.#layout = layout;
    this.#trusted = trusted;
  }

  folder(target: Target): string {
    return this.#layout.slot(target);
  }

  /** Whether the target's tree is there, whole and verified. */
  async isReady(target: Target): Promise<boolean> {
    return (await isFolder(this.folder(target))) && (await this.manifest(target)) !== undefined;
  }

  /** The target's manifest, checked anew; undefined when it was not saved, or no longer is what was saved. */
  async manifest(target: Target): Promise<Manifest | undefined> {
    const bytes = await readIfThere(this.#layout.manifest(target));
    if (bytes === undefined) return undefined;
    try {
      return this.checkManifest(target, bytes);
    } catch {
      return undefined;
    }
  }

  /** The target's manifest where it must be there: NOT_FOUND otherwise. */
  async needManifest(target: Target): Promise<Manifest> {
    const found = await this.manifest(target);
    if (!found) throw new StarlingError('NOT_FOUND', `the slot of ${target.build} is gone or was changed`);
    return found;
  }

  /** Checks a manifest's bytes and keeps them beside the slot. Throws INVALID_INPUT. */
  async saveManifest(target: Target, bytes: Buffer): Promise<Manifest> {
    const checked = this.checkManifest(target, bytes);
    await makeFolder(this.#layout.slots);
    await writeDurably(this.#layout.manifest(target), bytes);
    return checked;
  }

  /** INVALID_INPUT unless the bytes are the manifest that the target names, well-formed, and signed by a trusted key. */
  checkManifest(
    { build, manifestDigest: digest }: Pick<Target, 'build' | 'manifestDigest'>,
    bytes: Uint8Array,
  ): Manifest {
    return verifyManifest(bytes, { digest, build, project: this.#project }, this.#trusted);
  }

  /** The bytes of the manifests that are here, by digest: as they lie there, nothing of them is checked. */
  async manifestsHere(): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    for (const name of await namesIn(this.#layout.slots)) {
      const bytes = name.endsWith(manifestEnding) ? await readIfThere(join(this.#layout.slots, name)) : undefined;
      if (bytes) found.set(sha256(bytes), bytes);
    }
    return found;
  }

  /** The trees of all slots that are there; what is no longer as it was there shows when its chunks are read. */
  async bases(): Promise<BaseTree[]> {
    const found: BaseTree[] = [];
    for (const name of await namesIn(this.#layout.slots)) {
      if (!name.endsWith(manifestEnding)) continue;
      const folder = join(this.#layout.slots, name.slice(0, -manifestEnding.length));
      const bytes = (await isFolder(folder)) ? await readIfThere(join(this.#layout.slots, name)) : undefined;
      const manifest = bytes && this.#asBase(bytes, basename(folder));
      if (!manifest) continue;
      const files = streamFilesOf(folder, manifest.entries);
      found.push({ name: basename(folder), chunks: manifest.chunks, files, manifest });
    }
    return found;
  }

  /**
   * Makes the target's tree. It grows in `<slot>.partial`, where an earlier try is gone on with, each chunk is checked before it
   * is written and once more when all of them are there, and only then does it take its name. Returns what could not be
   * made, and because of what; nothing when it is done.
   */
  async fill(
    target: Target,
    manifest: Manifest,
    { plan, bases, packFiles }: PreparedUpdate,
    signal: AbortSignal,
  ): Promise<Assembled['failures']> {
    const folder = this.folder(target);
    const partial = `${folder}.partial`;
    const { failures } = await assembleTree({
      plan,
      entries: manifest.entries,
      folder: partial,
      bases,
      packFiles,
      threads: Math.min(mostThreads, threadsFor(streamBytesOf(manifest))),
      signal,
    });
    throwIfAborted(signal);
    if (failures.length > 0) return failures;
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
    await syncFolder(dirname(folder));
    return [];
  }

  /** Swaps the `current` link; null removes it. */
  async makeCurrent(target: Target | null): Promise<void> {
    if (target && !(await isFolder(this.folder(target))))
      throw new StarlingError('NOT_FOUND', `the slot of ${target.build} is gone`);
    await pointCurrentTo(this.#layout.current, target && this.folder(target));
  }

  /** Deletes every slot, partial slot and manifest that belongs to none of `kept`. */
  async prune(kept: readonly Target[]): Promise<string[]> {
    const names = new Set(kept.map(slotName));
    const deleted: string[] = [];
    for (const name of await namesIn(this.#layout.slots)) {
      if (names.has(basename(name).replace(/\.(partial|manifest)$/, ''))) continue;
      await rm(join(this.#layout.slots, name), { recursive: true, force: true });
      deleted.push(name);
    }
    return deleted;
  }

  /** SHA-256 of the packs that the saved manifests name. */
  async packs(): Promise<string[]> {
    const found = new Set<string>();
    for (const name of await namesIn(this.#layout.slots)) {
      if (!name.endsWith(manifestEnding)) continue;
      const bytes = await readIfThere(join(this.#layout.slots, name));
      try {
        for (const { digest } of decodeManifest(bytes ?? Buffer.alloc(0)).manifest.packs) found.add(digest);
      } catch {
        // A manifest that cannot be read is of no use, and neither are packs that only it names.
      }
    }
    return [...found];
  }

  #asBase(bytes: Buffer, slot: string): Manifest | undefined {
    try {
      const { build } = decodeManifest(bytes).manifest;
      const digest = sha256(bytes);
      const isItsSlot = slotName({ build, manifestDigest: digest }) === slot;
      return isItsSlot ? this.checkManifest({ build, manifestDigest: digest }, bytes) : undefined;
    } catch {
      return undefined;
    }
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}
