export interface FetchRanges {
  /** SHA-256 of the pack. */
  pack: string;
  packBytes: number;
  /** Ascending, apart from each other; the whole pack, as one range, where that is cheaper. */
  ranges: { start: number; end: number }[];
}

/** Collects what is wanted of packs. */
export class RangeSet {
  readonly #packs = new Map<string, { packBytes: number; ranges: Map<number, number> }>();

  add(pack: string, packBytes: number, start: number, length: number): void {
    let wanted = this.#packs.get(pack);
    if (!wanted) this.#packs.set(pack, (wanted = { packBytes, ranges: new Map() }));
    wanted.ranges.set(start, Math.max(wanted.ranges.get(start) ?? 0, start + length));
  }

  /**
   * The ranges, joined where the gap between two costs less than asking twice (so that many gaps become the whole pack);
   * and how many bytes they are.
   */
  coalesced(rangeCostBytes: number): [FetchRanges[], number] {
    let bytes = 0;
    const all = [...this.#packs].map(([pack, { packBytes, ranges }]) => {
      const joined: FetchRanges['ranges'] = [];
      for (const [start, end] of [...ranges].toSorted((a, b) => a[0] - b[0])) {
        const last = joined.at(-1);
        if (last && start - last.end <= rangeCostBytes) last.end = Math.max(last.end, end);
        else joined.push({ start, end });
      }
      const sum = joined.reduce((total, { start, end }) => total + end - start, 0);
      bytes += sum;
      return { pack, packBytes, ranges: joined };
    });
    return [all, bytes];
  }
}
