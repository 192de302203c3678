import { sql } from 'drizzle-orm';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';

/**
 * Makes the regions of the configuration known, in its order. A new one gets a PENDING replica of every build, so that
 * what was deployable becomes so again as soon as the region has caught up.
 */
export async function configureRegions(database: Database, names: readonly string[]): Promise<void> {
  await database.transaction(async (tx) => {
    for (const [position, name] of names.entries()) {
      await tx.execute(sql`
        insert into regions (name, position) values (${name}, ${position})
        on conflict (name) do update set position = excluded.position`);
    }
    await tx.execute(sql`
      insert into replicas (build_id, region, bytes_total)
      select b.id, r.name, b.manifest_bytes + coalesce((
          select sum(p.size_bytes) from build_packs n join packs p on p.digest = n.pack where n.build_id = b.id), 0)
      from builds b cross join regions r
      on conflict do nothing`);
    await announce(tx, 'replicas');
  });
}
