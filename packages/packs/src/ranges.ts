export interface FetchRanges {
  /** SHA-256 of the pack. */
  pack: string;
  packBytes: number;
  /** Ascending, apart from each other; the whole pack, as one range, where that is cheaper. */
  ranges: { start: number; end: number }[];
}

/** Ranges of one pack as they came. Of a large build there are 100,000, and numbers in two lists take the least. */
interface Wanted {
  packBytes: number;
  starts: number[];
  ends: number[];
  isAscending: boolean;
}

/** Collects what is wanted of packs. */
export class RangeSet {
  readonly #packs = new Map<string, Wanted>();

  add(pack: string, packBytes: number, start: number, length: number): void {
    let wanted = this.#packs.get(pack);
    if (!wanted) this.#packs.set(pack, (wanted = { packBytes, starts: [], ends: [], isAscending: true }));
    if (start < (wanted.starts.at(-1) ?? 0)) wanted.isAscending = false;
    wanted.starts.push(start);
    wanted.ends.push(start + length);
  }

  /**
   * The ranges, joined where the gap between two costs less than asking twice (so that many gaps become the whole pack);
   * and how many bytes they are.
   */
  coalesced(rangeCostBytes: number): [FetchRanges[], number] {
    let bytes = 0;
    const all = [...this.#packs].map(([pack, { packBytes, starts, ends, isAscending }]) => {
      const joined: FetchRanges['ranges'] = [];
      const order = Uint32Array.from(starts, (_, index) => index);
      if (!isAscending) order.sort((a, b) => starts[a]! - starts[b]!);
      for (const index of order) {
        const [start, end] = [starts[index]!, ends[index]!];
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
