import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { forPeople, type VersionKey } from '@starling/shared/version-key.ts';
import { eq } from 'drizzle-orm';
import { versionKeys } from '../../../../drizzle/schema/index.ts';
import type { Database } from '../db/connect.ts';

/** The longest a page waits for the key store of a region, in milliseconds. */
const patienceMs = 1_000;

/** Where the version keys of a region are read. */
export interface VersionKeySource {
  list(region: string): Promise<VersionKey[]>;
}

/** As it may be shown. */
export type ShownKey = ReturnType<typeof forPeople>;

export interface KeysOfRegion {
  keys: ShownKey[];
  /** Why these are only the keys that were written last, as far as is known; null when they are what is there. */
  error: string | null;
}

/**
 * The version keys of a region. While its key store is away, those that are recorded as written last: a page must show
 * the other regions then, and a guess that says it is one is of more use than none.
 */
export async function keysOfRegion(
  source: VersionKeySource,
  database: Database,
  region: string,
  clock: Clock,
): Promise<KeysOfRegion> {
  const answered = new AbortController();
  const tooLate = clock.sleep(patienceMs, answered.signal).then(() => {
    throw new Error(`the version keys of ${region} did not come within ${patienceMs} ms`);
  });
  try {
    const keys = await Promise.race([source.list(region), tooLate]);
    return { keys: keys.map(forPeople), error: null };
  } catch (thrown) {
    const rows = await database.select().from(versionKeys).where(eq(versionKeys.region, region));
    return { keys: rows.map(({ document }) => forPeople(document)), error: messageOf(thrown) };
  } finally {
    tooLate.catch(() => {});
    answered.abort();
  }
}
