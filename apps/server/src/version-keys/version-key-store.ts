import type { VersionKey } from '@starling/shared/version-key.ts';

/** Where the version keys of the regions are kept and watched: PostgreSQL, or etcd in each region. */
export interface VersionKeyStore {
  get(project: string, region: string): Promise<VersionKey | undefined>;
  /** The keys of one region, one a project. */
  list(region: string): Promise<VersionKey[]>;
  /**
   * Writes `key` if the key that is there has number `expectedSequence` (0: there is none). False, and nothing
   * written, when it has another: someone else wrote meanwhile.
   */
  put(key: VersionKey, expectedSequence: number): Promise<boolean>;
  /**
   * Calls back with every key of the region, first those that are there, then each that is written, at least once
   * and also after a cut connection. Resolves when `signal` is aborted. `onTrouble` is told why nothing can be learned
   * while the store is away, and undefined whenever it has answered.
   */
  watch(region: string, onKey: (key: VersionKey) => void, signal: AbortSignal, onTrouble?: OnTrouble): Promise<void>;
}

export type OnTrouble = (why: string | undefined) => void;
