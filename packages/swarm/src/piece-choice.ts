import type { RackSlice } from '@starling/shared/hub-protocol.ts';

// Which piece to ask a source for: a pure function of what the receiver knows.
//
// First what this source has given to nobody, so that a seed sends each piece once before any twice, and of those the
// piece that the fewest sources have. A piece that the source promises or has just sent to somebody else is coming: it
// is waited for a moment longer, because whoever got it will say so. Then what is rarest. All members begin their search at
// places of their own, or they would all choose alike.
//
// Each member of a rack brings its own slice of the pieces across the uplink (`mayCross`), but for what nobody has yet: a seed
// that waits for the one who is to bring a piece loses time that nothing makes up for.

/** What keeps a source outside the rack from being asked for what a neighbour has, or brings. */
export interface Crossing {
  slice: RackSlice;
  /** By piece: how many sources in the rack have it. */
  nearHolders: Uint16Array;
  /** How long this member has been waiting for nothing at all, because there was nothing to ask anyone for. */
  idleMs: number;
  neighbourMs: number;
}

/** Whether a piece may be asked for across the rack's uplink. */
export function mayCross(piece: number, { slice, nearHolders, idleMs, neighbourMs }: Crossing): boolean {
  if ((nearHolders[piece] ?? 0) > 0) return idleMs > 4 * neighbourMs;
  return piece % slice.of === slice.index || idleMs > neighbourMs;
}

export interface Choice {
  /** By piece: 1 when it is missing and nobody was asked for it. */
  open: Uint8Array;
  /** By piece: how many of this member's sources have it, this one included. */
  holders: Uint16Array;
  /** By piece: 1 when this source has it. */
  sourceHas: Uint8Array;
  /**
   * By piece: when this source had sent it to somebody else, in ms; 0 never, 1 before the lane was opened, infinite
   * when it was promised and is not sent yet.
   */
  sourceSentAt: Float64Array;
  /** Has every piece, and needs nothing back for what it gives. */
  isSourceComplete: boolean;
  /** How many of this member's sources do. */
  completeSources: number;
  /** The piece to begin the search at. */
  startAt: number;
  now: number;
  /** False when this source has been idle for long: what is promised may be slow to come. */
  isPatient: boolean;
  comingMs: number;
  sparedMs: number;
  /** Undefined for a source in the same rack, and where racks do not matter. */
  crossing?: Crossing | undefined;
}

/** What was given to nobody comes before all else; within a rank, what fewer have. */
const known = 1 << 20;

/**
 * The piece, or undefined when this source is to be asked for nothing now. It looks at every piece, and is called for
 * every piece that comes, so its loop does nothing but read numbers.
 */
export function choosePiece(choice: Choice): number | undefined {
  const { open, holders, sourceHas, sourceSentAt, crossing, completeSources, isPatient } = choice;
  const count = open.length;
  const comingSince = choice.now - choice.comingMs;
  const sparedSince = choice.isSourceComplete ? choice.now - choice.sparedMs : Number.POSITIVE_INFINITY;
  const isOnlySeed = choice.isSourceComplete && completeSources <= 1;
  let best = Number.POSITIVE_INFINITY;
  let chosen: number | undefined;
  for (let step = 0, piece = choice.startAt; step < count; step += 1, piece = piece + 1 === count ? 0 : piece + 1) {
    if (open[piece] === 0 || sourceHas[piece] === 0) continue;
    const having = holders[piece] as number;
    const sentAt = sourceSentAt[piece] as number;
    // What nobody at all has but a lone seed is brought in by whoever is there.
    const isNew = sentAt === 0 && isOnlySeed && having <= 1;
    if (crossing && !isNew && !mayCross(piece, crossing)) continue;
    let score = having;
    if (sentAt !== 0) {
      score += known;
      // It is coming from there. Otherwise a seed is spared what others can give; those who have everything spare each
      // other nothing, or each would leave it to the rest.
      if (isPatient && having <= 1 && sentAt > comingSince) continue;
      if (isPatient && having > 1 && having > completeSources && sentAt > sparedSince) continue;
    }
    if (score >= best) continue;
    best = score;
    chosen = piece;
    // Nothing can be rarer than what only one has and nobody was given.
    if (best <= 1) break;
  }
  return chosen;
}

export interface Claim {
  /** When the source was asked, in ms. */
  askedAt: number;
  /** Bytes that the source still has to send until this piece is whole: those of earlier pieces too. */
  bytesAhead: number;
  /** What it was seen to send; undefined when nothing was seen yet. */
  bytesPerSecond: number | undefined;
}

const settleMs = 500;
const assumedBytesPerSecond = 1024 * 1024;

/**
 * Whether a piece that was asked for elsewhere is to be asked for here as well, at the end, when this source has
 * nothing else to give: when it would be here in less than half of the time that is left there.
 */
export function isWorthTwice(
  claim: Claim,
  pieceLength: number,
  hereBytesPerSecond: number | undefined,
  now: number,
): boolean {
  const waitedMs = now - claim.askedAt;
  if (waitedMs < settleMs) return false;
  const there = (claim.bytesAhead / Math.max(1, claim.bytesPerSecond ?? assumedBytesPerSecond)) * 1_000;
  // What was silent for long is not about to become quick.
  const left = Math.max(there, claim.bytesPerSecond === undefined ? waitedMs : 0);
  return (pieceLength / Math.max(1, hereBytesPerSecond ?? assumedBytesPerSecond)) * 2_000 + settleMs < left;
}
