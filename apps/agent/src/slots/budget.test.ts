import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bytesIn } from '../lib/bytes-in.ts';
import { keepWithinBudget } from './budget.ts';

it('gives up the oldest until it fits, and never the first ones', async () => {
  const slots = fc.array(fc.record({ own: fc.nat(100), pack: fc.nat(3) }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(slots, fc.nat(3), fc.nat(400), async (given, never, budgetBytes) => {
      // Slots of the same pack share its 50 bytes.
      const bytesOf = (some: typeof given) =>
        some.reduce((sum, { own }) => sum + own, 0) + 50 * new Set(some.map(({ pack }) => pack)).size;
      let there = given;
      const kept = await keepWithinBudget({
        kept: given,
        never,
        budgetBytes,
        bytesUsed: async () => bytesOf(there),
        keepOnly: async (left) => {
          there = [...left];
        },
      });
      expect(there).toEqual(kept);
      expect(kept).toEqual(given.slice(0, kept.length));
      expect(kept.length).toBeGreaterThanOrEqual(Math.min(never, given.length));
      // Nothing went that could have stayed, and nothing stayed that had to go.
      if (kept.length > never) expect(bytesOf([...kept])).toBeLessThanOrEqual(budgetBytes);
      if (kept.length < given.length) expect(bytesOf(given.slice(0, kept.length + 1))).toBeGreaterThan(budgetBytes);
    }),
  );
});

it('counts what is on disk, and nothing that only is linked to', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-bytes-'));
  try {
    await mkdir(join(folder, 'a/b'), { recursive: true });
    await writeFile(join(folder, 'a/b/file'), Buffer.alloc(200_000, 1));
    const before = await bytesIn(folder);
    expect(before).toBeGreaterThanOrEqual(200_000);
    await symlink('/usr', join(folder, 'a/link'));
    expect(await bytesIn(folder)).toBeLessThan(before + 50_000);
    expect(await bytesIn(join(folder, 'nothing'))).toBe(0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
