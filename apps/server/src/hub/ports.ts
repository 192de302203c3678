import type { Readable } from 'node:stream';
import type { AgentCredential } from '@starling/shared/agent-identity.ts';
import type { ByteRate } from '@starling/shared/byte-rate.ts';
import type { Clock } from '@starling/shared/clock.ts';
import type { AgentEnrolment } from '@starling/shared/enrolment.ts';
import type { HubReport } from '@starling/shared/hub-protocol.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import type { EncryptionMode } from '@starling/swarm/swarm.ts';
import type { Logger } from '../lib/log.ts';
import type { TlsFiles } from '../lib/tls.ts';
import type { TrustedProxies } from './caller-address.ts';

// What a hub needs of the rest of Starling; `main.ts` fills it.

/** The version keys of the hub's region. */
export interface KeySource {
  /** Every key of the region as it is now, one a project. */
  list(): Promise<VersionKey[]>;
  /**
   * Calls back with the keys that are there, then with each that is written: at least once, in any order, and after
   * a cut connection with whatever was missed. Resolves when `signal` is aborted; when it rejects it is called again.
   * `onTrouble` is told why nothing can be learned while the store is away, and undefined whenever it has answered.
   */
  watch(
    onKey: (key: VersionKey) => void,
    signal: AbortSignal,
    onTrouble: (why: string | undefined) => void,
  ): Promise<void>;
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
  /** Makes an agent known; resolves with its credential. Rejects with a StarlingError when control refuses it. */
  enrolAgent(request: AgentEnrolment): Promise<AgentCredential>;
  /** The agents of the region that were revoked since the one numbered `after`, in order; more when not complete. */
  revokedAgents(
    after: number,
  ): Promise<{ revoked: { id: number; machine: string; keyHash: string }[]; isComplete: boolean }>;
}

/** Whose session with the hub it is. */
export interface SessionOwner {
  machine: string;
  /** Names the agent's key. */
  keyHash: string;
}

export interface HubOptions {
  /** The hub's name, unlike that of any other. */
  name: string;
  region: string;
  /** For packs, manifests, the last keys and who was revoked; made when it is not there. All of it can be had again. */
  dataDir: string;
  /** Where agents connect; port 0 takes any free one. */
  listen: { host: string; port: number };
  /** The certificate to speak TLS with, and its key; plain HTTP without. Renewed files are taken up within a minute. */
  tls?: TlsFiles;
  /** Who may say for whom it calls. */
  proxies?: TrustedProxies;
  /** Where other members of the swarm connect, port 0 takes any free one; 'off' without another encryption. `upload` is what it seeds at most, `rackDownload` what may come into each rack. */
  swarm: {
    host: string;
    port: number;
    maxConnections?: number;
    encryption?: EncryptionMode;
    upload?: ByteRate;
    rackDownload?: ByteRate;
  };
  /** Public keys (PEM) trusted for manifests, for version keys and for the credentials of agents. */
  trusted: { manifests: readonly string[]; versionKeys: readonly string[]; agentCredentials: readonly string[] };
  /** What packs may take that no build needs that a key names; 20 GiB by default. */
  keptBytes?: number;
  keys: KeySource;
  blobs: RegionBlobs;
  control: Control;
  clock: Clock;
  log: Logger;
}

export interface RunningHub {
  /** `http://host:port`, or `https://…`, for agents (the same with `ws:` or `wss:` for `/agent`). */
  readonly url: string;
  /** Says what it still can to control, then closes everything. */
  stop(): Promise<void>;
}
