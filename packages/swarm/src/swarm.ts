import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';

// The narrow door to the swarm: agents and hubs know only this, and which engine moves the bytes stays behind it.

export interface SwarmOptions {
  /** The address to listen on and to tell others. */
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Connections to other members, over all packs. */
  maxConnections: number;
  /** A member sent bytes that are not those of the pack. It was let go and is not asked again for ten minutes. */
  onBadPeer?: (bad: BadPeer) => void;
}

export interface BadPeer {
  peer: SwarmPeer;
  infoHash: string;
  piece: number;
}

export interface Progress {
  bytesDone: number;
  bytesTotal: number;
  bytesPerSecond: number;
  /** Payload that this member has sent to others. */
  bytesSent: number;
  /** Connected members of this pack's swarm. */
  peers: number;
}

export interface Swarm {
  /** Where other members reach this one. */
  readonly address: SwarmPeer;
  /**
   * Takes part in the swarm of `pack`, whose bytes are (or will be) the file at `filePath`. Pieces that are in the
   * file already are found by their hashes and are not fetched again, so a killed fetch goes on where it was.
   * A member serves only pieces that it has verified. Joining the same pack twice is an error.
   */
  join(pack: Pack, filePath: string): Promise<Membership>;
  /** Leaves every swarm and closes the port. */
  close(): Promise<void>;
}

export interface Membership {
  readonly infoHash: string;
  progress(): Progress;
  /** Whom to fetch from, as the hub said last; members that are no longer named are let go. */
  setPeers(peers: readonly SwarmPeer[]): void;
  /** Resolves when every piece is in the file and verified. Rejects when the file cannot be written, or on abort. */
  whenComplete(signal: AbortSignal): Promise<void>;
  /** Ends the membership; the file stays. */
  leave(): Promise<void>;
}
