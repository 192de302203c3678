import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { ThreadPool } from '@starling/packs/thread-pool.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { Logger } from '../lib/log.ts';
import { Turns } from '../lib/turns.ts';

const mostWaiting = 32;
/** A manifest is asked for as a patch of the same few; of more than these the oldest are made again when they are asked for. */
const mostKept = 64;

/**
 * Manifests as patches of earlier ones, for machines that have those: made once by a thread, and kept as files. They are not
 * signed: what the machine makes of one is.
 */
export class ShortManifests {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #made = new Map<string, Promise<{ path: string } | undefined>>();
  readonly #turns = new Turns(1);
  #waiting = 0;

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /**
   * Where the patch lies that makes the manifest at `path` of the one at `earlierPath`; it may be the manifest compressed, where
   * that is shorter. Undefined when too many others are being made, or it cannot be made: the whole is to be had then.
   */
  find(digest: string, path: string, earlier: string, earlierPath: string): Promise<{ path: string } | undefined> {
    const name = `${digest}-${earlier}`;
    const known = this.#made.get(name);
    if (known) return known;
    if (this.#waiting >= mostWaiting) return Promise.resolve(undefined);
    this.#waiting += 1;
    const making = this.#turns
      .take(() => this.#make(name, path, earlierPath))
      .catch((thrown: unknown) => {
        this.#log.warn(`a manifest was not made into a patch: ${messageOf(thrown)}`);
        this.#made.delete(name);
        return undefined;
      })
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#made.set(name, making);
    for (const oldest of this.#made.keys()) {
      if (this.#made.size <= mostKept) break;
      this.#forget(oldest);
    }
    return making;
  }

  /** Removes the patches of a manifest that is let go of, and those against it. */
  drop(digest: string): void {
    for (const name of this.#made.keys()) if (name.split('-').includes(digest)) this.#forget(name);
  }

  async #make(name: string, path: string, earlierPath: string): Promise<{ path: string }> {
    const [bytes, earlier] = [await readFile(path), await readFile(earlierPath)];
    const pool = new ThreadPool({ threads: 1, streams: {} });
    try {
      const { short } = await pool.run('shorten', { bytes, earlier });
      const made = `${this.#folder}/${name}`;
      await writeFile(`${made}.new`, short);
      await rename(`${made}.new`, made);
      return { path: made };
    } finally {
      await pool.close();
    }
  }

  #forget(name: string): void {
    this.#made.delete(name);
    rm(`${this.#folder}/${name}`, { force: true }).catch(() => undefined);
  }
}
