/** Slots that may go, and the room that all of them together may take. */
export interface BudgetOptions<Slot> {
  /** What is kept now, the one that is most worth keeping first. */
  kept: readonly Slot[];
  /** How many of the first may never go: the build that runs, and the last good one before it. */
  never: number;
  budgetBytes: number;
  /** What slots and packs take on disk now, in bytes. */
  bytesUsed: () => Promise<number>;
  /** Keeps these alone, and deletes the packs that none of them needs. */
  keepOnly: (slots: readonly Slot[]) => Promise<void>;
}

/**
 * Gives up slots from the end until what is left takes no more than the budget, or only those are left that may never go.
 * What a slot takes is measured by deleting it: packs are shared. Resolves to what is kept.
 */
export async function keepWithinBudget<Slot>(options: BudgetOptions<Slot>): Promise<readonly Slot[]> {
  let { kept } = options;
  while (kept.length > options.never && (await options.bytesUsed()) > options.budgetBytes) {
    kept = kept.slice(0, -1);
    await options.keepOnly(kept);
  }
  return kept;
}
