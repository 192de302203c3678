export const tileStates = ['failed', 'offline', 'behind', 'done'] as const;
export type TileState = (typeof tileStates)[number];

export const mostTiles = 100;

/**
 * A region's machines as at most a hundred tiles, worst first: one a machine while they fit, else in proportion. Whatever
 * state any machine is in has a tile, however few are in it: one failed machine of ten thousand must not vanish.
 */
export function tilesOf(counts: Readonly<Record<TileState, number>>): (TileState | null)[] {
  const total = tileStates.reduce((sum, state) => sum + counts[state], 0);
  if (total === 0) return [];
  if (total <= mostTiles) return tileStates.flatMap((state) => Array.from({ length: counts[state] }, () => state));
  const present = tileStates.filter((state) => counts[state] > 0);
  const tiles = new Map(present.map((state) => [state, Math.max(1, Math.floor((counts[state] / total) * mostTiles))]));
  // What rounding left over or took too much is settled by the commonest state.
  const commonest = present.reduce((a, b) => (counts[b] > counts[a] ? b : a));
  const others = present.reduce((sum, state) => (state === commonest ? sum : sum + tiles.get(state)!), 0);
  tiles.set(commonest, mostTiles - others);
  return present.flatMap((state) => Array.from({ length: tiles.get(state)! }, () => state));
}
