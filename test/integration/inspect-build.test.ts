import { inspectBuild } from '@starling/server/api/inspect-build.ts';
import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { builds } from '../../drizzle/schema/index.ts';
import { useFreshDatabase } from '../postgres/fresh-database.ts';
import { addBuild } from '../postgres/sample-rows.ts';

const test = useFreshDatabase();

it('says which packs a build names, and which builds brought them', async () => {
  const { build: one } = await addBuild(test.database, 'shop', { streamBytes: 100, newBytes: 100 });
  const { build: two } = await addBuild(test.database, 'shop', {
    streamBytes: 100,
    newBytes: 4,
    patchBytes: 2,
    packs: [one.packDigest!],
  });
  const { build: three } = await addBuild(test.database, 'shop', {
    packDigest: null,
    packBytes: 0,
    newBytes: 0,
    packs: [one.packDigest!, two.packDigest!],
  });
  const inspected = async (id: string) => {
    const [row] = await test.database.select().from(builds).where(eq(builds.id, id));
    return inspectBuild(test.database, row!);
  };
  expect(await inspected(two.buildId)).toMatchObject({
    newShare: 0.04,
    patchBytes: 2,
    packs: [
      { digest: one.packDigest, sizeBytes: one.packBytes, broughtBy: one.buildId },
      { digest: two.packDigest, sizeBytes: two.packBytes, broughtBy: two.buildId },
    ],
  });
  const { packBytes, newShare, packs } = await inspected(three.buildId);
  expect([packBytes, newShare, packs.length]).toEqual([0, 0, 2]);
});
