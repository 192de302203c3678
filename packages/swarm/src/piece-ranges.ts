import { StarlingError } from '@starling/shared/errors.ts';
import type { PackShape } from './lane-frames.ts';
import type { ByteRange } from './swarm.ts';

/**
 * The pieces that touch any of these byte ranges, one byte a piece, 1 for those. Ranges may overlap, touch, be empty and
 * come in any order. Throws INVALID_INPUT for one that does not lie in the pack.
 */
export function piecesIn(ranges: readonly ByteRange[], { sizeBytes, pieceLength, pieceCount }: PackShape): Uint8Array {
  const pieces = new Uint8Array(pieceCount);
  for (const [start, end] of ranges) {
    const isInside = Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && end <= sizeBytes;
    if (!isInside || start > end)
      throw new StarlingError('INVALID_INPUT', `there are no bytes ${start} to ${end} in a pack of ${sizeBytes}`, {
        field: 'ranges',
      });
    if (start < end) pieces.fill(1, Math.floor(start / pieceLength), Math.ceil(end / pieceLength));
  }
  return pieces;
}

/** The first and the last of each run of pieces that are 1. */
export function runsOf(pieces: Uint8Array): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (let first = pieces.indexOf(1); first >= 0; ) {
    const end = pieces.indexOf(0, first);
    const last = end < 0 ? pieces.length - 1 : end - 1;
    runs.push([first, last]);
    first = pieces.indexOf(1, last + 1);
  }
  return runs;
}
