import { isReached } from '@starling/server/fleet/is-reached.ts';
import type { Reach } from '@starling/shared/rollout-plan.ts';
import { isInWave } from '@starling/shared/version-key.ts';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { useFreshDatabase } from '../postgres/fresh-database.ts';

const test = useFreshDatabase();

const words = fc.constantFrom('canary', 'eu', 'a', 'constructor', "it's", '');
const labels = fc.dictionary(words, words, { maxKeys: 3 });
const reachOfRegion = fc.record(
  {
    fraction: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
    selectors: fc.array(labels, { maxLength: 3 }),
  },
  { requiredKeys: ['fraction'] },
);
const reaches: fc.Arbitrary<Reach> = fc.oneof(
  fc.constant(null),
  fc.dictionary(fc.constantFrom('eu', 'us'), reachOfRegion, { maxKeys: 2 }),
);
const machine = fc.record({
  id: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/),
  region: fc.constantFrom('eu', 'us'),
  labels,
});
const salts = fc.stringMatching(/^[A-Za-z0-9_-]{0,16}$/);

it('whom a wave reaches is the same for agents and for the database', async () => {
  let [reached, others] = [0, 0];
  await fc.assert(
    fc.asyncProperty(reaches, salts, fc.array(machine, { minLength: 1, maxLength: 20 }), async (reach, salt, some) => {
      const inOrder = JSON.stringify(some.map((one, at) => ({ ...one, at })));
      const rows = (await test.database.execute(sql`
        select ${isReached} as reached
        from (select ${salt}::text as salt, ${JSON.stringify(reach)}::text::jsonb as reach) d,
          jsonb_to_recordset(${inOrder}::text::jsonb) as m(id text, region text, labels jsonb, at int)
        order by at`)) as unknown as { reached: boolean }[];
      const expected = some.map(({ id, region, labels: own }) => {
        if (reach === null) return true;
        const here = reach[region];
        return here !== undefined && isInWave({ salt, ...here }, id, own);
      });
      expect(rows.map((row) => row.reached)).toEqual(expected);
      for (const one of expected) one ? (reached += 1) : (others += 1);
    }),
    { numRuns: 200 },
  );
  expect(Math.min(reached, others), 'both were tried').toBeGreaterThan(100);
});
