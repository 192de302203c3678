const seconds = 1_000;
const shortestMs = 2 * seconds;
/** Who fetches must be heard of this often, or the hub works with what was long ago. */
const longestFetchingMs = 8 * seconds;
const longestQuietMs = 64 * seconds;
/** Of one swarm, as many announcements a second cost a hub little. */
const perSecond = 2_000;

/**
 * How often members of a swarm are to say how much they have, in milliseconds: the larger the swarm the more seldom, and most
 * seldom while nobody fetches. Joining, leaving and having all is said at once besides, and a hub knows by the connection
 * who is gone. Only powers of two, so that a swarm that grows does not tell everybody anew for each that joins.
 */
export function announceEveryMs(members: number, fetching: number): number {
  const longest = fetching > 0 ? longestFetchingMs : longestQuietMs;
  const wanted = fetching > 0 ? (members / perSecond) * seconds : longestQuietMs;
  let interval = shortestMs;
  while (interval < wanted && interval < longest) interval *= 2;
  return interval;
}
