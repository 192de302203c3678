// Whose turn it is to be sent a piece, and which: pure functions of who waits.
//
// A swarm has everything no sooner than the last piece has left its seed for the first time. So what a member has given to
// nobody goes before all else that it is asked for: each piece once before any twice. A sender that has only some pieces
// does the same, and so passes on first what has just arrived. (How soon that can be: Mundinger, Weber & Weiss, "Optimal
// scheduling of peer-to-peer file dissemination", Journal of Scheduling 11, 2008.)

export interface Turn {
  /** Asked for at least one piece that nobody was given by this member. */
  wantsUngiven: boolean;
  /** When it began to wait, in ms. */
  since: number;
}

/**
 * Of those who wait, in the order in which they were last served, the one whose turn it is: whoever has waited longer than
 * `patienceMs`, else the first who wants what nobody was given, else the first. Undefined when nobody waits.
 */
export function whoseTurn<W>(
  waiting: Iterable<W>,
  turnOf: (who: W) => Turn,
  now: number,
  patienceMs: number,
): W | undefined {
  let first: W | undefined;
  let firstUngiven: W | undefined;
  for (const who of waiting) {
    const { wantsUngiven, since } = turnOf(who);
    if (now - since > patienceMs) return who;
    first ??= who;
    if (wantsUngiven) firstUngiven ??= who;
  }
  return firstUngiven ?? first;
}

/** Where in `asked`, which is not empty, the piece is that is to be sent next. */
export function nextAsked(asked: readonly number[], gave: Uint8Array): number {
  return Math.max(
    0,
    asked.findIndex((piece) => gave[piece] === 0),
  );
}
