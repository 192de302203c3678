import type { RegionProgress } from './api.ts';

/** What the machines of all regions together have confirmed. */
export function totalsOf(regions: readonly RegionProgress[]): Omit<RegionProgress, 'region'> {
  const totals = {
    machines: 0,
    done: 0,
    inProgress: 0,
    failed: 0,
    offline: 0,
    waiting: 0,
    notReached: 0,
    bytesDone: 0,
    bytesTotal: 0,
    bytesPerSecond: 0,
  };
  for (const region of regions) {
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += region[key];
  }
  return totals;
}

/**
 * Work done and in all, in bytes to fetch plus one unit for each machine that is through; so that both a long fetch
 * and the last machines' probes count as progress. `done` equals `total` only when every machine has ended.
 */
export function workOf(region: Omit<RegionProgress, 'region'>): { done: number; total: number } {
  const fetched = region.bytesTotal > 0 ? region.bytesDone / region.bytesTotal : 0;
  const waitingShare = region.machines > 0 ? region.inProgress / region.machines : 0;
  const ended = region.done + region.failed;
  // Half of a machine's way is the fetch, the other half the swap and the probes.
  const underWay = waitingShare > 0 ? Math.min(region.inProgress, region.inProgress * fetched) * 0.5 : 0;
  return { done: ended + underWay, total: ended + region.inProgress + region.notReached };
}

const noticeablyBehind = 0.1;

/** The region that holds the others up: clearly less of its work done than of the next one; null when there is none. */
export function slowestRegion(regions: readonly RegionProgress[]): string | null {
  const underWay = regions.filter((region) => region.inProgress > 0);
  if (regions.length < 2 || underWay.length === 0) return null;
  const share = (region: RegionProgress) => {
    const { done, total } = workOf(region);
    return total > 0 ? done / total : 1;
  };
  const [slowest, next] = [...regions].sort((a, b) => share(a) - share(b));
  return slowest && next && share(next) - share(slowest) >= noticeablyBehind ? slowest.region : null;
}
