import { constants } from 'node:crypto';
import type { OnReadOpts, Socket } from 'node:net';
import { type ConnectionOptions, connect, createSecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { SwarmPeer } from '@starling/shared/hub-protocol.ts';
import type { LaneKeys, LaneOffer } from './lane-keys.ts';

// Lanes under TLS 1.3 with a key that both sides have, and no certificates: the key proves who takes part, and each
// connection agrees on keys of its own besides, so a key that gets out later opens nothing that was recorded. Of what
// was measured (`docs/reference/swarm.md`) OpenSSL's own records cost less than half of AES-GCM over each data frame.

/** The first byte of a TLS connection, which neither lanes nor BitTorrent begin with. */
export const tlsFirstByte = 22;

const suite = {
  ciphers: 'TLS_AES_128_GCM_SHA256',
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  // Nobody comes back to a session: a call without the key must not pass for one.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;
const context = createSecureContext(suite);

/** Calls a member. 'secureConnect' is emitted once it has proved that it has the key, and never for one that has not. */
export function callSealed(peer: SwarmPeer, { identity, key }: LaneOffer, onread: OnReadOpts): TLSSocket {
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    ...peer,
    ...{ ...suite, secureContext: context, onread },
    pskCallback: () => ({ psk: key, identity }),
    // Asked only of one that shows a certificate instead.
    checkServerIdentity: () => new Error('a certificate in place of the key'),
  };
  const socket = connect(options);
  socket.setNoDelay(true);
  return socket;
}

export interface SealedCall {
  /** The caller has proved that it has the key of this pack. */
  onOpen(socket: TLSSocket, infoHash: string): void;
  onUnproven(): void;
}

/** Takes a call that begins with a TLS hello, of which nothing was read yet. */
export function acceptSealed(raw: Socket, keys: LaneKeys, timeoutMs: number, { onOpen, onUnproven }: SealedCall): void {
  let infoHash: string | undefined;
  // The callback is that of the server's side, which the type of the options of a socket does not know.
  const options = {
    isServer: true,
    secureContext: context,
    pskCallback: (_socket: TLSSocket, identity: string) => {
      const found = keys.find(identity);
      infoHash = found?.infoHash;
      return found?.key ?? null;
    },
  } as TLSSocketOptions;
  const socket = new TLSSocket(raw, options);
  let isOpen = false;
  const timer = setTimeout(() => socket.destroy(), timeoutMs).unref();
  socket.on('error', (error: Error) => {
    if (isUnproven(error)) onUnproven();
    socket.destroy();
  });
  socket.once('close', () => {
    clearTimeout(timer);
    raw.destroy();
  });
  socket.once('secure', () => {
    clearTimeout(timer);
    isOpen = true;
    // Without a certificate of ours nothing but a key leads here.
    if (infoHash === undefined) socket.destroy();
    else onOpen(socket, infoHash);
  });
  raw.once('close', () => {
    if (!isOpen) socket.destroy();
  });
}

/** Whether a connection ended because the other side has not the key, rather than because of the network. */
export function isUnproven(error: NodeJS.ErrnoException): boolean {
  return error.syscall === undefined && error.code !== 'ECONNRESET';
}
