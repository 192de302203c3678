import type { Socket } from 'node:net';
import { decodeHello, encodeHello, helloBytes, type LaneAnswer, type LaneHello, laneMagic } from './lane-frames.ts';
import { tlsFirstByte } from './lane-tls.ts';

export interface DoorEvents {
  /** Why this call is not taken, or undefined when it is; then `onLane` follows at once. */
  refuse(hello: LaneHello): Exclude<LaneAnswer, 'welcome'> | undefined;
  /** The socket is paused; `head` is what it said after its hello. */
  onLane(socket: Socket, hello: LaneHello, head: Buffer): void;
  /** A lane that is to be encrypted, as if nothing of it had been read; left out, it is not a lane. */
  onSealed?: ((socket: Socket) => void) | undefined;
  /** Not a lane: as if nothing of it had been read. */
  onOther(socket: Socket): void;
}

/** Listens to the first bytes of a socket that called, to learn what it speaks: lanes, open or encrypted, and BitTorrent share a port. */
export function greet(socket: Socket, timeoutMs: number, events: DoorEvents): void {
  let said = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), timeoutMs).unref();
  const onEnd = () => clearTimeout(timer);
  const onReadable = () => {
    const bytes = socket.read() as Buffer | null;
    if (!bytes) return;
    said = Buffer.concat([said, bytes]);
    const isLane = said[0] === laneMagic[0];
    if (isLane && said.length < helloBytes) return;
    clearTimeout(timer);
    socket.off('readable', onReadable);
    socket.off('close', onEnd);
    if (isLane) {
      answer(socket, said, events);
    } else {
      socket.unshift(said);
      if (said[0] === tlsFirstByte && events.onSealed) events.onSealed(socket);
      else events.onOther(socket);
    }
  };
  socket.on('readable', onReadable);
  socket.once('close', onEnd);
}

function answer(socket: Socket, said: Buffer, events: DoorEvents): void {
  let hello: LaneHello;
  try {
    hello = decodeHello(said.subarray(0, helloBytes));
  } catch {
    socket.destroy();
    return;
  }
  const refusal = hello.answer === 'welcome' ? events.refuse(hello) : 'otherVersion';
  if (refusal) socket.end(encodeHello({ ...hello, answer: refusal }), () => socket.destroy());
  else events.onLane(socket, hello, said.subarray(helloBytes));
}
