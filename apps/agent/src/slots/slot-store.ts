import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeFolder, readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Manifest } from '@starling/shared/manifest.ts';
import { verifyManifest } from '@starling/shared/manifest-verify.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import type { Target } from '@starling/shared/version-key.ts';
import { isFolder, namesIn } from '../lib/folders.ts';
import { pointCurrentTo } from './current-link.ts';
import { type ProjectLayout, slotName } from './layout.ts';
import { unpack } from './unpack.ts';

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
    const text = await readIfThere(this.#layout.manifest(target));
    if (text === undefined) return undefined;
    try {
      return this.checkManifest(target, Buffer.from(text));
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
    await writeDurably(this.#layout.manifest(target), bytes.toString());
    return checked;
  }

  /** INVALID_INPUT unless the bytes are the manifest that the target names, well-formed, and signed by a trusted key. */
  checkManifest(target: Target, bytes: Uint8Array): Manifest {
    const expected = { digest: target.manifestDigest, build: target.build, project: this.#project };
    return verifyManifest(bytes, expected, this.#trusted);
  }

  /** Verifies the pack and unpacks it to the target's slot. Throws WrongPack, INVALID_INPUT, Aborted. */
  async fill(target: Target, packPath: string, signal: AbortSignal): Promise<void> {
    await unpack(packPath, await this.needManifest(target), this.folder(target), signal);
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
      if (names.has(basename(name).replace(/\.(partial|manifest\.json)$/, ''))) continue;
      await rm(join(this.#layout.slots, name), { recursive: true, force: true });
      deleted.push(name);
    }
    return deleted;
  }

  /** SHA-256 of the packs that the saved manifests name. */
  async packs(): Promise<string[]> {
    const found: string[] = [];
    for (const name of await namesIn(this.#layout.slots)) {
      if (!name.endsWith('.manifest.json')) continue;
      const text = await readIfThere(join(this.#layout.slots, name));
      const sha256 = (parseJson(Buffer.from(text ?? '')) as Manifest | undefined)?.pack?.sha256;
      if (sha256) found.push(sha256);
    }
    return found;
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
