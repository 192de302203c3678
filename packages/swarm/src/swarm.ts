import type { HandedPeer, RackSlice, SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import type { LaneKeys } from './lane-keys.ts';
import type { TokenBucket } from './token-bucket.ts';

// The narrow door to the swarm: agents and hubs know only this, and which engine moves the bytes stays behind it.

/** Whether members are spoken to encrypted alone, encrypted where they can, or in clear. */
export const encryptionModes = ['required', 'preferred', 'off'] as const;
export type EncryptionMode = (typeof encryptionModes)[number];

export interface SwarmOptions {
  /** The address to listen on and to tell others. */
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Connections to other members, over all packs. */
  maxConnections: number;
  /** A member sent bytes that are not those of the pack. It was let go and is not asked again for ten minutes. */
  onBadPeer?: (bad: BadPeer) => void;
  /**
   * Lanes are encrypted, and both sides prove that they know a secret of `keys`. 'required': members that do not are not
   * served and not asked, stock clients neither. 'preferred': they are, in clear. Left out it is 'off': all is in clear.
   */
  encryption?: { mode: EncryptionMode; keys: LaneKeys };
  /** What may be sent and received, over all packs and with stock clients too. What else passes through these counts with it. */
  sending?: TokenBucket;
  receiving?: TokenBucket;
  /** Somebody did not prove it: a member that was called with all keys that may be, or whoever called from there. */
  onUnproven?: (unproven: Unproven) => void;
}

export interface Unproven {
  host: string;
  port: number;
  /** Whether it called, from a port that says nothing. */
  hasCalled: boolean;
}

export interface BadPeer {
  peer: SwarmPeer;
  infoHash: string;
  piece: number;
}

/** Bytes of a pack, from `start` up to but not including `end`. */
export type ByteRange = readonly [start: number, end: number];

export interface JoinOptions {
  /**
   * Only these bytes are wanted: the membership is complete when every piece that touches them is here and verified.
   * Without it the whole pack is wanted; an empty list wants nothing and only serves what is in the file.
   */
  ranges?: readonly ByteRange[];
  /** Whose secret other members are called with; without it none is called that wants a proof. */
  project?: string;
}

export interface Progress {
  /** Verified bytes of the wanted pieces. */
  bytesDone: number;
  /** Bytes of the wanted pieces, which begin and end a little outside the wanted ranges. */
  bytesTotal: number;
  /** Verified bytes of the pack that are in the file, wanted or not; all of them are served to others. */
  bytesHere: number;
  bytesPerSecond: number;
  /** Payload that this member has sent to others. */
  bytesSent: number;
  /** Connected members of this pack's swarm. */
  peers: number;
}

/** Who a membership fetches from, and what holds it up. */
export interface Intakes {
  /** Verified bytes by the address (`host:port`) of the member that sent them, since it joined. */
  bytesFrom: ReadonlyMap<string, number>;
  /** Members that it may ask; of these, those with a wanted piece that is missing. */
  lanes: number;
  useful: number;
  /** Pieces that were asked for and are not here. */
  asked: number;
  /** Pieces that came with wrong bytes. */
  wrongPieces: number;
  /** Milliseconds in which at least one piece was being checked and written. */
  checkingMs: number;
}

export interface Swarm {
  /** Where other members reach this one. */
  readonly address: SwarmPeer;
  /**
   * Takes part in the swarm of `pack`, whose bytes are (or will be) the file at `filePath`. Pieces that are in the
   * file already are found by their hashes and are not fetched again, so a killed fetch goes on where it was.
   * A member serves only pieces that it has verified. Joining the same pack twice is an error.
   *
   * While pieces are missing, the file has holes and what was verified is noted in `<filePath>.pieces`; whoever deletes
   * the one should delete the other. Without it the next membership looks at the whole file again.
   */
  join(pack: Pack, filePath: string, options?: JoinOptions): Promise<Membership>;
  /** Leaves every swarm and closes the port. */
  close(): Promise<void>;
}

export interface Membership {
  readonly infoHash: string;
  progress(): Progress;
  intakes(): Intakes;
  /**
   * Whom to fetch from, as the hub said last; members that are no longer named are let go. With a `slice`, from those
   * that are not near only its pieces are asked for, as long as the neighbours bring the others.
   */
  setPeers(peers: readonly HandedPeer[], slice?: RackSlice): void;
  /** Wants these bytes too. Throws INVALID_INPUT for ranges outside the pack. */
  widen(ranges: readonly ByteRange[]): void;
  /** The wanted bytes that are missing, in order; each range begins with a piece and ends with one. */
  missing(): ByteRange[];
  /** Whether these bytes are in the file and verified. Throws INVALID_INPUT for bytes outside the pack. */
  has(range: ByteRange): boolean;
  /**
   * Takes bytes of the pack that come from elsewhere than the swarm, from `start` on, where a piece begins: each whole piece
   * is checked, written and offered to the others at once. Rejects with INVALID_INPUT when one is not the pack's, and with
   * what `bytes` throws; what was written before stays.
   */
  supply(start: number, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Resolves when every wanted piece is in the file and verified. Rejects when the file cannot be written, or on abort. */
  whenComplete(signal: AbortSignal): Promise<void>;
  /** Ends the membership; the file stays. */
  leave(): Promise<void>;
}
