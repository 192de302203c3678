import type { Clock } from '@starling/shared/clock.ts';
import { messageOf } from '@starling/shared/errors.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { and, eq, sql } from 'drizzle-orm';
import { versionKeys } from '../../../../drizzle/schema/index.ts';
import { announce, listen } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import { databaseTrouble } from '../db/database-trouble.ts';
import type { Logger } from '../lib/log.ts';
import type { VersionKeyStore } from './version-key-store.ts';

/** The safety net under LISTEN: the longest a key can stay unseen when a notice was lost. */
const pollEveryMs = 5_000;

/** One key as the table has it: where keys are in etcd, the last that is recorded. */
export async function postgresKey(
  database: Database,
  project: string,
  region: string,
): Promise<VersionKey | undefined> {
  const [row] = await database
    .select()
    .from(versionKeys)
    .where(and(eq(versionKeys.project, project), eq(versionKeys.region, region)));
  return row?.document;
}

/** Version keys in the table `version_keys`; a notice wakes watchers, and a poll catches a lost one. */
export function postgresVersionKeys(database: Database, clock: Clock, log: Logger): VersionKeyStore {
  const list = async (region: string) => {
    const rows = await database.select().from(versionKeys).where(eq(versionKeys.region, region));
    return rows.map((row) => row.document);
  };
  return {
    list,
    get: (project, region) => postgresKey(database, project, region),
    put: (key, expectedSequence) =>
      database.transaction(async (tx) => {
        const { project, region, sequence } = key;
        const written =
          expectedSequence === 0
            ? await tx
                .insert(versionKeys)
                .values({ project, region, sequence, document: key })
                .onConflictDoNothing()
                .returning({ sequence: versionKeys.sequence })
            : await tx
                .update(versionKeys)
                .set({ sequence, document: key, writtenAt: sql`now()` })
                .where(
                  and(
                    eq(versionKeys.project, project),
                    eq(versionKeys.region, region),
                    eq(versionKeys.sequence, expectedSequence),
                  ),
                )
                .returning({ sequence: versionKeys.sequence });
        if (written.length === 0) return false;
        await announce(tx, 'version-keys');
        return true;
      }),
    watch: async (region, onKey, signal, onTrouble) => {
      const seen = new Map<string, number>();
      let wake = new AbortController();
      const subscription = await listen(database, (topic) => {
        if (topic === 'version-keys') wake.abort();
      });
      try {
        while (!signal.aborted) {
          wake = new AbortController();
          try {
            for (const key of await list(region)) {
              if (seen.get(key.project) === key.sequence) continue;
              seen.set(key.project, key.sequence);
              onKey(key);
            }
            onTrouble?.(undefined);
          } catch (thrown) {
            onTrouble?.(messageOf(databaseTrouble(thrown) ?? thrown));
            log.warn(`version keys of ${region}: ${messageOf(thrown)}`);
          }
          await clock.sleep(pollEveryMs, AbortSignal.any([wake.signal, signal]));
        }
      } finally {
        await subscription.stop().catch(() => {});
      }
    },
  };
}
