import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RangeSet } from './ranges.ts';

const place = fc.record({ start: fc.nat(300), length: fc.integer({ min: 1, max: 40 }) });

it('joins ranges in whatever order they come, and leaves out gaps that cost more than asking twice', () => {
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 30 }), fc.nat(20), (places, rangeCostBytes) => {
      const set = new RangeSet();
      const wanted = new Set<number>();
      for (const { start, length } of places) {
        set.add('pack', 1_000, start, length);
        for (let byte = start; byte < start + length; byte += 1) wanted.add(byte);
      }
      const [[{ ranges } = { ranges: [] }], bytes] = set.coalesced(rangeCostBytes);
      const fetched = ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at));
      expect(bytes).toBe(fetched.length);
      expect(new Set(fetched).size).toBe(fetched.length);
      const isFetched = new Set(fetched);
      for (const byte of wanted) expect(isFetched.has(byte)).toBe(true);
      // What is fetched and not wanted lies in gaps that are short enough.
      let gap = 0;
      for (const { start, end } of ranges) {
        expect(wanted.has(start) && wanted.has(end - 1)).toBe(true);
        for (let byte = start; byte < end; byte += 1) {
          gap = wanted.has(byte) ? 0 : gap + 1;
          expect(gap).toBeLessThanOrEqual(rangeCostBytes);
        }
      }
      for (const [index, { start }] of ranges.entries())
        if (index > 0) expect(start - ranges[index - 1]!.end).toBeGreaterThan(rangeCostBytes);
    }),
  );
});
