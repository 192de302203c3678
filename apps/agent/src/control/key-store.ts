import { join } from 'node:path';
import { readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import { type VersionKey, versionKey } from '@starling/shared/version-key.ts';
import { namesIn } from '../lib/folders.ts';

/** The last key that was followed, of each project: what a machine runs without its hub, and never goes behind. */
export class KeyStore {
  readonly #folder: string;
  readonly #keys = new Map<string, VersionKey>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads the keys in a folder, which must be there. A file that holds no key is passed over. */
  static async open(folder: string): Promise<KeyStore> {
    const store = new KeyStore(folder);
    for (const name of await namesIn(folder)) {
      if (!name.endsWith('.json')) continue;
      const parsed = versionKey.safeParse(parseJson(await readIfThere(join(folder, name))));
      if (parsed.success) store.#keys.set(parsed.data.project, parsed.data);
    }
    return store;
  }

  all(): VersionKey[] {
    return [...this.#keys.values()];
  }

  lastSequence(project: string): number {
    return this.#keys.get(project)?.sequence ?? 0;
  }

  async save(key: VersionKey): Promise<void> {
    await writeDurably(join(this.#folder, `${key.project}.json`), `${JSON.stringify(key)}\n`);
    this.#keys.set(key.project, key);
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
