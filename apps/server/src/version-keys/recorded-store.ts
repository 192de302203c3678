import { messageOf } from '@starling/shared/errors.ts';
import type { VersionKey } from '@starling/shared/version-key.ts';
import { eq, sql } from 'drizzle-orm';
import { versionKeys } from '../../../../drizzle/schema/index.ts';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import type { Logger } from '../lib/log.ts';
import { postgresKey } from './postgres-store.ts';
import type { VersionKeyStore } from './version-key-store.ts';

/**
 * `store`, with a record in PostgreSQL of the last key that was written of each project and region. Machines never
 * follow a number lower than one they have seen, so a cluster that lost its keys, was set up from a backup or takes the
 * place of PostgreSQL must not count from there: whoever reads a key puts the recorded one back where it is newer.
 * The record also tells consoles of changes, and what a region was told last while its cluster is away.
 */
export function recordedVersionKeys(store: VersionKeyStore, database: Database, log: Logger): VersionKeyStore {
  const record = async (key: VersionKey) => {
    const { project, region, sequence } = key;
    try {
      await database.transaction(async (tx) => {
        const newer = await tx
          .insert(versionKeys)
          .values({ project, region, sequence, document: key })
          .onConflictDoUpdate({
            target: [versionKeys.project, versionKeys.region],
            set: { sequence, document: key, writtenAt: sql`now()` },
            setWhere: sql`${versionKeys.sequence} < excluded.sequence`,
          })
          .returning({ sequence: versionKeys.sequence });
        if (newer.length > 0) await announce(tx, 'version-keys');
      });
    } catch (thrown) {
      // The key itself is written; whoever reads it next records it.
      log.warn(`key ${sequence} of ${project} in ${region} is not recorded yet: ${messageOf(thrown)}`);
    }
  };

  const putBack = async (key: VersionKey, thereSequence: number): Promise<boolean> => {
    if (!(await store.put(key, thereSequence))) return false;
    const { sequence, project, region } = key;
    log.warn(`key ${sequence} of ${project} in ${region} is put back: its cluster had ${thereSequence || 'none'}`);
    return true;
  };

  return {
    list: async (region) => {
      const [there, recorded] = await Promise.all([
        store.list(region),
        database.select().from(versionKeys).where(eq(versionKeys.region, region)),
      ]);
      const numbers = new Map(there.map(({ project, sequence }) => [project, sequence]));
      const newer = recorded.filter(({ project, sequence }) => sequence > (numbers.get(project) ?? 0));
      const behind = there.filter(
        (key) => key.sequence > (recorded.find(({ project }) => project === key.project)?.sequence ?? 0),
      );
      for (const key of behind) await record(key);
      for (const { document } of newer) await putBack(document, numbers.get(document.project) ?? 0);
      return newer.length > 0 ? store.list(region) : there;
    },
    watch: (region, onKey, signal, onTrouble) => store.watch(region, onKey, signal, onTrouble),
    put: async (key, expectedSequence) => {
      const written = await store.put(key, expectedSequence);
      if (written) await record(key);
      return written;
    },
    get: async (project, region) => {
      const [there, recorded] = await Promise.all([store.get(project, region), postgresKey(database, project, region)]);
      const thereSequence = there?.sequence ?? 0;
      const recordedSequence = recorded?.sequence ?? 0;
      if (there && thereSequence > recordedSequence) await record(there);
      if (!recorded || thereSequence >= recordedSequence) return there;
      return (await putBack(recorded, thereSequence)) ? recorded : store.get(project, region);
    },
  };
}
