import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readIfThere, writeDurably } from '@starling/host/durable-file.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import { type VersionKey, versionKey } from '@starling/shared/version-key.ts';
import type { Logger } from '../lib/log.ts';

/**
 * The newest key of each project that this hub may hand out. They are kept on disk as well, so that a hub that
 * restarts while the key store cannot be reached still tells its agents what it told them before.
 */
export class KnownKeys {
  readonly #region: string;
  readonly #trusted: TrustedKeys;
  readonly #path: string;
  readonly #log: Logger;
  readonly #keys = new Map<string, VersionKey>();
  #saving: Promise<void> = Promise.resolve();
  #isSaveDue = false;

  /** `path` is the file that keeps the keys over a restart. */
  constructor(region: string, trusted: TrustedKeys, path: string, log: Logger) {
    this.#region = region;
    this.#trusted = trusted;
    this.#path = path;
    this.#log = log;
  }

  all(): VersionKey[] {
    return [...this.#keys.values()];
  }

  /** Reads what an earlier run kept; false when there is nothing of use. */
  async load(): Promise<boolean> {
    try {
      const kept = JSON.parse((await readIfThere(this.#path)) ?? '[]') as unknown;
      for (const key of Array.isArray(kept) ? kept : []) this.#take(key);
    } catch (thrown) {
      this.#log.warn(`the keys kept in ${this.#path} cannot be read: ${messageOf(thrown)}`);
    }
    return this.#keys.size > 0;
  }

  /** Takes a key when it verifies and is newer than the one that is known; what is refused is logged and dropped. */
  accept(candidate: unknown): VersionKey | undefined {
    const key = this.#take(candidate);
    if (key) this.#save();
    return key;
  }

  /** Resolves when everything accepted so far is on disk. */
  saved(): Promise<void> {
    return this.#saving;
  }

  #take(candidate: unknown): VersionKey | undefined {
    const parsed = versionKey.safeParse(candidate);
    // The signature covers members that this version of Starling may not know, so the key is kept as it came.
    const key = candidate as VersionKey;
    const refusal = parsed.success
      ? (this.#trusted.refusal(key) ??
        (key.region === this.#region ? undefined : `it is of the region ${key.region}, not ${this.#region}`))
      : `${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`;
    if (refusal) {
      const project = parsed.success ? parsed.data.project : 'unknown';
      this.#log.error(`a version key of the project ${project} is refused: ${refusal}`);
      return undefined;
    }
    const known = this.#keys.get(key.project);
    if (known && known.sequence >= key.sequence) {
      if (known.sequence > key.sequence)
        this.#log.warn(`the key ${key.sequence} of ${key.project} is older than ${known.sequence}, which is known`);
      return undefined;
    }
    this.#keys.set(key.project, key);
    return key;
  }

  #save(): void {
    if (this.#isSaveDue) return;
    this.#isSaveDue = true;
    this.#saving = this.#saving
      .then(async () => {
        this.#isSaveDue = false;
        await mkdir(dirname(this.#path), { recursive: true });
        await writeDurably(this.#path, JSON.stringify(this.all()));
      })
      .catch((thrown: unknown) => this.#log.warn(`the keys could not be kept in ${this.#path}: ${messageOf(thrown)}`));
  }
}
