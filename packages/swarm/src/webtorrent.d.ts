// What Starling uses of two packages that ship no types; members that begin with `_` are not documented by
// webtorrent, and the place that uses one says why.

declare module 'bencode' {
  const bencode: {
    encode(value: unknown): Uint8Array;
    decode(bytes: Uint8Array): unknown;
  };
  export default bencode;
}

declare module 'webtorrent' {
  import type { EventEmitter } from 'node:events';
  import type { AddressInfo, ListenOptions, Server, Socket } from 'node:net';

  export interface ChunkStore {
    readonly chunkLength: number;
    put(index: number, bytes: Uint8Array, done: (error?: Error | null) => void): void;
    get(
      index: number,
      range: { offset?: number; length?: number } | null | undefined,
      done: (error: Error | null, bytes?: Uint8Array) => void,
    ): void;
    close(done: (error?: Error | null) => void): void;
    destroy(done: (error?: Error | null) => void): void;
  }

  export interface Wire extends EventEmitter {
    readonly peerId: string;
    readonly peerPieces: { get(index: number): boolean };
    readonly type: string;
    readonly amInterested: boolean;
    readonly peerInterested: boolean;
    /** Sent to the other side (BEP 10) once the `wire` event is over. */
    extendedHandshake: Record<string, unknown>;
    readonly peerExtendedHandshake: Record<string, unknown>;
    readonly remoteAddress?: string;
    have(index: number): void;
    destroy(): void;
  }

  export interface Torrent extends EventEmitter {
    readonly infoHash: string;
    readonly ready: boolean;
    readonly done: boolean;
    readonly destroyed: boolean;
    readonly downloadSpeed: number;
    readonly uploaded: number;
    readonly received: number;
    readonly bitfield: { get(index: number): boolean };
    readonly wires: Wire[];
    _select(first: number, last: number, priority: number, notify: null, isStreamSelection: boolean): void;
    _deselect(first: number, last: number, isStreamSelection: boolean): void;
    /** What it does itself when a piece was found to be right, short of telling the others. */
    _markVerified(index: number): void;
    _checkDone(): void;
    addPeer(address: string): boolean;
    removePeer(address: string): void;
    destroy(options: { destroyStore: boolean }, done: (error?: Error | null) => void): void;
    readonly _peers: Map<string, { readonly type: string; retries: number }> | null;
  }

  /** What limits how much passes, all connections together. */
  export interface ThrottleGroup {
    setEnabled(isEnabled: boolean): void;
    /** Bytes that are asked for at once. */
    chunksize: number;
    bucket: {
      readonly tokensPerInterval: number;
      tryRemoveTokens(count: number): boolean;
      removeTokens(count: number, done: (error: null) => void): void;
    };
  }

  export interface TorrentOptions {
    preloadedStore: ChunkStore;
    storeCacheSlots: number;
    strategy: 'rarest' | 'sequential';
    /** Ask for no piece until one is selected. */
    deselect: boolean;
    uploads: number;
    /** Bits of the pieces that the store holds, first piece in the highest bit. */
    bitfield: Uint8Array;
  }

  export default class WebTorrent extends EventEmitter {
    constructor(options: {
      torrentPort: ListenOptions;
      maxConns: number;
      dht: false;
      lsd: false;
      utPex: false;
      natUpnp: false;
      natPmp: false;
      utp: false;
      tracker: false;
      webSeeds: false;
      secure: 0 | 1 | 2;
    });
    readonly peerId: string;
    readonly torrents: readonly Torrent[];
    readonly destroyed: boolean;
    readonly throttleGroups: { readonly up: ThrottleGroup; readonly down: ThrottleGroup };
    address(): AddressInfo | null;
    add(torrentFile: Uint8Array, options: TorrentOptions): Torrent;
    destroy(done: (error?: Error | null) => void): void;
    readonly _connPool: { readonly tcpServer: Server; readonly _onTCPConnectionBound: (socket: Socket) => void } | null;
  }
}
