import type { Readable } from 'node:stream';
import type { Clock } from '@starling/shared/clock.ts';
import type { HubReport } from '@starling/shared/hub-protocol.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import type { Logger } from '../lib/log.ts';

// What a hub needs of the rest of Starling; `main.ts` fills it.

/** The version keys of the hub's region. */
export interface KeySource {
  /** Every key of the region as it is now, one a project. */
  list(): Promise<VersionKey[]>;
  /**
   * Calls back with the keys that are there, then with each that is written: at least once, in any order, and after
   * a cut connection with whatever was missed. Resolves when `signal` is aborted; when it rejects it is called again.
   */
  watch(onKey: (key: VersionKey) => void, signal: AbortSignal): Promise<void>;
}

/** The region's own blob store, never another's; as much of it as a hub uses. */
export interface RegionBlobs {
  readonly description: string;
  sizeOf(key: string): Promise<number | undefined>;
  read(key: string, range?: { start: number; end: number }): Promise<Readable>;
}

export interface Control {
  /** Resolves once control has made the batch its own; the same batch may come twice. */
  report(batch: HubReport): Promise<void>;
}

export interface HubOptions {
  /** The hub's name, unlike that of any other. */
  name: string;
  region: string;
  /** For packs, manifests and the last keys; made when it is not there. All of it can be pulled again. */
  dataDir: string;
  /** Where agents connect; port 0 takes any free one. */
  listen: { host: string; port: number };
  /** Where other members of the swarm connect; port 0 takes any free one. */
  swarm: { host: string; port: number; maxConnections?: number };
  /** What every agent of the region presents as its bearer token. */
  agentToken: string;
  /** Public keys (PEM) trusted for manifests and for version keys. */
  trusted: { manifests: readonly string[]; versionKeys: readonly string[] };
  keys: KeySource;
  blobs: RegionBlobs;
  control: Control;
  clock: Clock;
  log: Logger;
}

export interface RunningHub {
  /** `http://host:port`, for agents (the same with `ws:` for `/agent`). */
  readonly url: string;
  /** Says what it still can to control, then closes everything. */
  stop(): Promise<void>;
}
