/// <reference path="./webtorrent.d.ts" />
import { createHash, type Hash } from 'node:crypto';
import { StarlingError } from '@starling/shared/errors.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import bencode from 'bencode';
import { blake3Bytes, blake3Hasher, hasBlake3, sha1Bytes } from './piece-digest.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** Beside `pieces`, in the description: the same pieces by BLAKE3. Stock clients overlook what they do not know. */
const blake3Key = 'pieces blake3';
/** A member holds the pieces it is fetching in memory, so a description may not ask for larger ones. */
const maxPieceLength = 32 * MiB;
const minPieceLength = 16 * KiB;

/**
 * Bytes in a piece of a pack. Only whole pieces are passed on, so on a slow link the first ones are waited for, by every
 * member on the way; but each one costs every member a message to each of its peers and a place in its scans. So
 * about a thousand, and for the largest packs as many as it takes: 64 KiB to 8 MiB each.
 */
export function pieceLengthFor(sizeBytes: number): number {
  let pieceLength = 64 * KiB;
  while (pieceLength < 8 * MiB && sizeBytes > 1536 * pieceLength) pieceLength *= 2;
  return pieceLength;
}

/** Describes a pack as a torrent (BEP 3, `private` as in BEP 27) while its bytes stream by. */
export class TorrentHasher {
  readonly #name: string;
  readonly #sizeBytes: number;
  readonly #pieceLength: number;
  readonly #pieces: Buffer[] = [];
  readonly #blake3Pieces: Buffer[] = [];
  #piece: Hash = createHash('sha1');
  #blake3Piece = blake3Hasher();
  #inPiece = 0;
  #seen = 0;

  /** `name` becomes the torrent's name; `sizeBytes` is how many bytes `update` will see, at least 1. */
  constructor(name: string, sizeBytes: number) {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) throw new RangeError('a pack has at least one byte');
    if (name === '') throw new RangeError('a torrent has a name');
    this.#name = name;
    this.#sizeBytes = sizeBytes;
    this.#pieceLength = pieceLengthFor(sizeBytes);
  }

  /** The next bytes of the pack, any number of them. */
  update(chunk: Uint8Array): void {
    this.#seen += chunk.length;
    let start = 0;
    while (start < chunk.length) {
      const end = Math.min(chunk.length, start + this.#pieceLength - this.#inPiece);
      const bytes = chunk.subarray(start, end);
      this.#piece.update(bytes);
      this.#blake3Piece?.update(bytes);
      this.#inPiece += end - start;
      start = end;
      if (this.#inPiece === this.#pieceLength) this.#endPiece();
    }
  }

  /** The description. Throws when there were not as many bytes as announced. */
  finish(): Pack['torrent'] {
    if (this.#inPiece > 0) this.#endPiece();
    if (this.#seen !== this.#sizeBytes)
      throw new RangeError(`the pack was to have ${this.#sizeBytes} bytes, but ${this.#seen} came by`);
    const info = Buffer.from(
      bencode.encode({
        length: this.#sizeBytes,
        name: this.#name,
        'piece length': this.#pieceLength,
        pieces: Buffer.concat(this.#pieces),
        ...(this.#blake3Piece ? { [blake3Key]: Buffer.concat(this.#blake3Pieces) } : {}),
        private: 1,
      }),
    );
    return { infoHash: sha1(info), info: info.toString('base64'), pieceLength: this.#pieceLength };
  }

  #endPiece(): void {
    this.#pieces.push(this.#piece.digest());
    if (this.#blake3Piece) this.#blake3Pieces.push(this.#blake3Piece.digest());
    this.#piece = createHash('sha1');
    this.#blake3Piece = blake3Hasher();
    this.#inPiece = 0;
  }
}

/** Why a pack's torrent description is not to be used, as the end of "the torrent …"; undefined when it fits. */
export function checkTorrent(pack: Pack): string | undefined {
  const { infoHash, info: encoded, pieceLength } = pack.torrent;
  const info = Buffer.from(encoded, 'base64');
  if (sha1(info) !== infoHash) return `does not match its info hash ${infoHash}`;
  if (pieceLength < minPieceLength || pieceLength > maxPieceLength)
    return `has pieces of ${pieceLength} bytes, where ${minPieceLength} to ${maxPieceLength} are allowed`;
  let fields: Record<string, unknown>;
  try {
    fields = bencode.decode(info) as Record<string, unknown>;
    // The engine encodes what it decoded and hashes that, so only the one canonical spelling keeps its info hash.
    if (!info.equals(bencode.encode(fields))) return 'is not encoded canonically';
  } catch {
    return 'is not readable';
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return 'is not a dictionary';
  if ('files' in fields) return 'names several files, where a pack is one';
  if (!(fields.name instanceof Uint8Array) || fields.name.length === 0) return 'has no name';
  if (fields.private !== 1) return 'is not private';
  if (fields.length !== pack.sizeBytes) return `is of ${fields.length} bytes, the pack of ${pack.sizeBytes}`;
  if (fields['piece length'] !== pieceLength)
    return `has pieces of ${fields['piece length']} bytes, where ${pieceLength} were announced`;
  const expected = Math.ceil(pack.sizeBytes / pieceLength);
  const isList = (list: unknown, digestBytes: number) =>
    list instanceof Uint8Array && list.length === expected * digestBytes;
  if (!isList(fields.pieces, sha1Bytes)) return `has not the ${expected} pieces of such a pack`;
  if (blake3Key in fields && !isList(fields[blake3Key], blake3Bytes))
    return `has not the ${expected} pieces of such a pack by BLAKE3`;
  return undefined;
}

/**
 * The digests of the pieces, in order, as `isPiece` takes them: BLAKE3 where the description has them and this machine
 * can make them, else SHA-1. Only for a description that `checkTorrent` found to fit.
 */
export function pieceDigests(pack: Pack, canBlake3 = hasBlake3): string[] {
  const fields = bencode.decode(Buffer.from(pack.torrent.info, 'base64')) as Record<string, Uint8Array>;
  const blake3 = canBlake3 ? fields[blake3Key] : undefined;
  const digits = Buffer.from(blake3 ?? fields.pieces!).toString('hex');
  const length = 2 * (blake3 ? blake3Bytes : sha1Bytes);
  return Array.from({ length: digits.length / length }, (_, index) =>
    digits.slice(index * length, (index + 1) * length),
  );
}

function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}

/** A pack as a manifest lists it, for the swarm. Throws INVALID_INPUT when its torrent is not one that fits. */
export function packOf({
  digest,
  sizeBytes,
  torrentInfo,
}: {
  digest: string;
  sizeBytes: number;
  torrentInfo: Uint8Array;
}): Pack {
  let pieceLength = 0;
  try {
    pieceLength = Number((bencode.decode(Buffer.from(torrentInfo)) as Record<string, unknown>)['piece length']);
  } catch {
    // What is not readable fits no pack either, which is said below.
  }
  const torrent = { infoHash: sha1(torrentInfo), info: Buffer.from(torrentInfo).toString('base64'), pieceLength };
  const pack = { sha256: digest, sizeBytes, torrent };
  const defect = checkTorrent(pack);
  if (defect === undefined) return pack;
  throw new StarlingError('INVALID_INPUT', `pack ${digest}: the torrent ${defect}`, { field: 'pack.torrent' });
}
