import type { BuildManifest } from './manifest.ts';

// When packs are borrowed from no longer. Manifests are signed and packs immutable, so nothing that a manifest names ever
// moves. Instead, what is still alive of a mostly dead pack is stored once more with the next
// build that has it; from then on only older builds need the old pack, and it goes with the last of them.

type Referring = Pick<BuildManifest, 'packs' | 'chunks' | 'patches'>;

export interface PackShare {
  pack: string;
  sizeBytes: number;
  /** Bytes that live builds name, chunks and patches, each counted once. */
  liveBytes: number;
}

/** How much of each pack the live builds name, in the order in which they name them. */
export function packShares(live: Iterable<Referring>): PackShare[] {
  const shares = new Map<string, PackShare & { seen: Set<number> }>();
  const count = (manifest: Referring, pack: number, offset: number, length: number) => {
    const { digest, sizeBytes } = manifest.packs[pack]!;
    let share = shares.get(digest);
    if (!share) shares.set(digest, (share = { pack: digest, sizeBytes, liveBytes: 0, seen: new Set() }));
    if (share.seen.has(offset)) return;
    share.seen.add(offset);
    share.liveBytes += length;
  };
  for (const manifest of live) {
    for (const { pack, offset, encodedLength } of manifest.chunks) count(manifest, pack, offset, encodedLength);
    for (const { pack, offset, length } of manifest.patches) count(manifest, pack, offset, length);
  }
  return [...shares.values()].map(({ pack, sizeBytes, liveBytes }) => ({ pack, sizeBytes, liveBytes }));
}

export interface RepackPolicy {
  /** Below this live share a pack is given up. */
  leastLiveShare: number;
  /** What one build may store again, in bytes as encoded. */
  mostBytesABuild: number;
}

/** At a quarter, what is stored again costs a third of what is freed. */
export const defaultRepackPolicy: RepackPolicy = { leastLiveShare: 0.25, mostBytesABuild: 256 * 1024 * 1024 };

/**
 * The packs that a new build should not borrow from, so that its chunks of them are stored again: the deadest first, as
 * many as fit in what one build may store again. `borrowed` says what the new build would take from each.
 */
export function packsToGiveUp(
  shares: readonly PackShare[],
  borrowed: ReadonlyMap<string, number>,
  { leastLiveShare, mostBytesABuild }: RepackPolicy = defaultRepackPolicy,
): Set<string> {
  const shareOf = ({ liveBytes, sizeBytes }: PackShare) => liveBytes / Math.max(1, sizeBytes);
  const givenUp = new Set<string>();
  let left = mostBytesABuild;
  for (const share of shares.toSorted((a, b) => shareOf(a) - shareOf(b) || (a.pack < b.pack ? -1 : 1))) {
    const bytes = borrowed.get(share.pack) ?? 0;
    if (bytes === 0) continue;
    if (shareOf(share) >= leastLiveShare) break;
    if (bytes > left) continue;
    left -= bytes;
    givenUp.add(share.pack);
  }
  return givenUp;
}
