import type { Chunk } from '@starling/packs/chunk-tree.ts';
import type { Location } from '@starling/packs/make-pack.ts';
import { packShares, packsToGiveUp } from '@starling/packs/pack-life.ts';
import type { Manifest } from '@starling/packs/signed-manifest.ts';

/** A manifest lists few packs compared with what it may list, so that machines have few swarms to be in. */
const mostPacks = 1_000;

/**
 * What a new build borrows from the packs of live builds, `earlier` from the newest on. Not from packs that are mostly dead:
 * what is alive of them is stored again, and they go with the last old build that names them.
 */
export class Lending {
  readonly #earlier: readonly Manifest[];
  readonly #locations = new Map<string, Location>();
  #lends: ReadonlySet<string> = new Set();

  constructor(earlier: readonly Manifest[]) {
    this.#earlier = earlier;
    for (const { chunks, packs } of earlier) {
      for (const { digest, pack, offset, encodedLength } of chunks)
        if (!this.#locations.has(digest))
          this.#locations.set(digest, { pack: packs[pack]!.digest, offset, encodedLength });
    }
  }

  /** Decides which packs lend, by all that the new build would take from each. */
  decide(chunks: readonly Chunk[]): void {
    const borrowed = new Map<string, number>();
    for (const digest of new Set(chunks.map((chunk) => chunk.digest))) {
      const place = this.#locations.get(digest);
      if (place) borrowed.set(place.pack, (borrowed.get(place.pack) ?? 0) + place.encodedLength);
    }
    const givenUp = packsToGiveUp(packShares(this.#earlier), borrowed);
    const lending = [...borrowed].filter(([pack]) => !givenUp.has(pack)).toSorted((a, b) => b[1] - a[1]);
    this.#lends = new Set(lending.slice(0, mostPacks).map(([pack]) => pack));
  }

  find(digest: string): Location | undefined {
    const place = this.#locations.get(digest);
    return place && this.#lends.has(place.pack) ? place : undefined;
  }
}
