// What two members say to each other on a lane: one TCP connection on which whole pieces go one way, from the member
// that was called to the one that called. It begins with a hello from each side, then frames follow: a header of
// 12 bytes (type, flag, two empty bytes, piece, length; numbers with the highest byte first), and for some a body.
//
//   called by the receiver          said by the sender
//   has    its pieces               has    its pieces
//   have   one more                 have   one more
//   ask    send me this piece       gave   the pieces that it has sent to anyone before
//   cancel no longer                sent   promised to somebody else; the flag: it was sent
//   ping   still there              back   what was promised to somebody else was not sent
//                                   later  asked for what was promised to somebody else
//                                   data   bytes of a piece, in order; the flag marks its first ones
//                                   ping   still there

/** Its first byte tells a lane from BitTorrent, whose handshake begins with 19. */
export const laneMagic = Buffer.from('Starling');
export const laneVersion = 1;
export const helloBytes = 52;
export const headerBytes = 12;
export const maxDataBytes = 4 * 1024 * 1024;

/** How the member that was called answers; anything but `welcome` is its last word. */
export const laneAnswers = ['welcome', 'unknownPack', 'full', 'self', 'otherVersion'] as const;
export type LaneAnswer = (typeof laneAnswers)[number];

export interface LaneHello {
  answer: LaneAnswer;
  /** Of the pack, 40 hexadecimal digits. */
  infoHash: string;
  /** The member's own name, 32 hexadecimal digits, made anew with each start. */
  member: string;
  pieceCount: number;
}

/** What both sides know of the pack; it bounds every number in a frame. */
export interface PackShape {
  sizeBytes: number;
  pieceLength: number;
  pieceCount: number;
}

const types = ['has', 'gave', 'have', 'sent', 'back', 'later', 'ask', 'cancel', 'ping', 'data'] as const;
type FrameType = (typeof types)[number];

export type DataFrame = { type: 'data'; piece: number; length: number; isFirst: boolean };
export type LaneFrame =
  | { type: 'has' | 'gave'; length: number }
  | { type: 'have' | 'back' | 'later' | 'cancel'; piece: number }
  | { type: 'sent'; piece: number; isDone: boolean }
  /** `isKnowing`: asked for although the sender said that it gave this piece to others. */
  | { type: 'ask'; piece: number; isKnowing: boolean }
  | { type: 'ping' }
  | DataFrame;

export type LaneSide = 'receiver' | 'sender';
const saidBy: Record<LaneSide, ReadonlySet<FrameType>> = {
  receiver: new Set<FrameType>(['has', 'have', 'ask', 'cancel', 'ping']),
  sender: new Set<FrameType>(['has', 'gave', 'have', 'sent', 'back', 'later', 'data', 'ping']),
};

/** The other side does not keep to the protocol; the lane ends. */
export class LaneDefect extends Error {}

export function encodeHello({ answer, infoHash, member, pieceCount }: LaneHello): Buffer {
  const bytes = Buffer.alloc(helloBytes);
  laneMagic.copy(bytes);
  bytes[8] = laneVersion;
  bytes[9] = laneAnswers.indexOf(answer);
  bytes.write(infoHash, 12, 20, 'hex');
  bytes.write(member, 32, 16, 'hex');
  bytes.writeUInt32BE(pieceCount, 48);
  return bytes;
}

/** Reads a whole hello. Throws LaneDefect for anything else; of another version only the answer is told. */
export function decodeHello(bytes: Uint8Array): LaneHello {
  const hello = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (hello.length !== helloBytes || !hello.subarray(0, laneMagic.length).equals(laneMagic))
    throw new LaneDefect('this is no lane');
  const answer = hello[8] === laneVersion ? laneAnswers[hello[9] ?? -1] : 'otherVersion';
  if (!answer) throw new LaneDefect('the answer is not known');
  return {
    answer,
    infoHash: hello.toString('hex', 12, 32),
    member: hello.toString('hex', 32, 48),
    pieceCount: hello.readUInt32BE(48),
  };
}

export function encodeFrame(frame: LaneFrame): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes[0] = types.indexOf(frame.type) + 1;
  if ('piece' in frame) bytes.writeUInt32BE(frame.piece, 4);
  if ('length' in frame) bytes.writeUInt32BE(frame.length, 8);
  if ('isFirst' in frame ? frame.isFirst : 'isKnowing' in frame ? frame.isKnowing : 'isDone' in frame && frame.isDone)
    bytes[1] = 1;
  return bytes;
}

/** Reads a header that `side` said. Throws LaneDefect, before any memory is taken, when it asks for too much. */
export function decodeFrame(bytes: Uint8Array, side: LaneSide, shape: PackShape): LaneFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const type = types[view.getUint8(0) - 1];
  if (!type || !saidBy[side].has(type)) throw new LaneDefect(`a ${side} does not say ${type ?? view.getUint8(0)}`);
  const isMarked = view.getUint8(1) === 1;
  const piece = view.getUint32(4);
  const length = view.getUint32(8);
  if (type === 'ping') return { type };
  if (type === 'has' || type === 'gave') {
    if (length !== bitfieldBytes(shape)) throw new LaneDefect(`${length} bytes for ${shape.pieceCount} pieces`);
    return { type, length };
  }
  if (piece >= shape.pieceCount) throw new LaneDefect(`there is no piece ${piece}`);
  if (type === 'ask') return { type, piece, isKnowing: isMarked };
  if (type === 'sent') return { type, piece, isDone: isMarked };
  if (type !== 'data') return { type, piece };
  if (length === 0 || length > Math.min(maxDataBytes, pieceBytes(piece, shape)))
    throw new LaneDefect(`${length} bytes of piece ${piece}`);
  return { type, piece, length, isFirst: isMarked };
}

/** Bytes in one piece; the last may be shorter. */
export function pieceBytes(piece: number, { sizeBytes, pieceLength }: PackShape): number {
  return Math.min(pieceLength, sizeBytes - piece * pieceLength);
}

export const bitfieldBytes = ({ pieceCount }: PackShape): number => Math.ceil(pieceCount / 8);

/** One bit a piece, the first in the highest bit of the first byte, from one byte a piece. */
export function packBits(flags: Uint8Array): Buffer {
  const bits = Buffer.alloc(Math.ceil(flags.length / 8));
  for (let index = 0; index < flags.length; index += 1) if (flags[index]) bits[index >> 3]! |= 0x80 >> (index & 7);
  return bits;
}

/** The opposite of `packBits`, for `count` pieces. */
export function unpackBits(bits: Uint8Array, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => ((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1);
}
