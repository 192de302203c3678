import type { Clock } from '@starling/shared/clock.ts';
import type { TrustedKeys } from '@starling/shared/signing.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { checkKey, type KeyVerdict } from './key-check.ts';
import type { KeyStore } from './key-store.ts';

export interface KeyGateOptions {
  keys: KeyStore;
  trusted: TrustedKeys;
  region: string;
  clock: Clock;
}

const maxRemembered = 1_000;

/** Lets through the keys that this machine follows, one after another, and writes each down before it counts. */
export class KeyGate {
  readonly #options: KeyGateOptions;
  readonly #refused = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: KeyGateOptions) {
    this.#options = options;
  }

  /** The verdict on a key, whose refusal is told only once however often the same key comes. */
  admit(key: VersionKey): Promise<KeyVerdict> {
    const verdict = this.#turn.then(() => this.#admit(key));
    this.#turn = verdict.catch(() => undefined);
    return verdict;
  }

  async #admit(key: VersionKey): Promise<KeyVerdict> {
    const { clock, keys, region, trusted } = this.#options;
    const lastSequence = keys.lastSequence(key.project);
    const verdict = checkKey(key, { trusted, region, now: clock.now(), lastSequence });
    if (verdict.follow) {
      await keys.save(key);
      return verdict;
    }
    if (verdict.reason === null) return verdict;
    const seen = `${key.project} ${key.sequence} ${key.signature.value}`;
    if (this.#refused.has(seen)) return { follow: false, reason: null };
    if (this.#refused.size >= maxRemembered) this.#refused.clear();
    this.#refused.add(seen);
    return verdict;
  }
}
