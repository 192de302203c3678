import { sql } from 'drizzle-orm';
import type { Database } from '../db/connect.ts';
import { isOnline } from '../fleet/online.ts';
import { keysOfRegion } from './region-keys.ts';
import { somewhere, visibleNames } from './scopes.ts';
import { needs, router } from './trpc.ts';

/** What a region's store still lacks. */
interface StoreState {
  pending: number;
  copying: number;
  failed: number;
  bytesLeft: number;
  /** Since when the first of them is missing, ISO 8601; null when nothing is. */
  behindSince: string | null;
  /** Why a copy failed last; null while none is failed. */
  lastFailure: string | null;
}

interface HubState {
  hub: string;
  machines: number;
  online: number;
  /** When one of its machines was heard last, ISO 8601. */
  heardAt: string;
}

async function storesOf(database: Database): Promise<Map<string, StoreState>> {
  // By the index of what is unfinished: what is there already is never read.
  const rows = (await database.execute(sql`
    select r.region, count(*) filter (where r.status = 'PENDING')::int as pending,
      count(*) filter (where r.status = 'COPYING')::int as copying, count(*) filter (where r.status = 'FAILED')::int as failed,
      coalesce(sum(greatest(0, r.bytes_total - r.bytes_done)), 0)::float8 as "bytesLeft",
      to_json(min(b.created_at)) as "behindSince",
      (array_agg(r.failure_reason order by r.next_attempt_at desc) filter (where r.status = 'FAILED'))[1] as "lastFailure"
    from replicas r join builds b on b.id = r.build_id
    where r.status in ('PENDING', 'COPYING', 'FAILED') and b.expired_at is null
    group by r.region`)) as unknown as (StoreState & { region: string })[];
  return new Map(rows.map(({ region, ...state }) => [region, state]));
}

async function hubsOf(database: Database): Promise<Map<string, HubState[]>> {
  const rows = (await database.execute(sql`
    select m.region, m.hub, count(*)::int as machines, count(*) filter (where ${isOnline})::int as online,
      to_json(max(m.last_seen_at)) as "heardAt"
    from machines m group by 1, 2 order by 1, 2`)) as unknown as (HubState & { region: string })[];
  return Map.groupBy(rows, ({ region }) => region);
}

const nothingMissing: StoreState = {
  pending: 0,
  copying: 0,
  failed: 0,
  bytesLeft: 0,
  behindSince: null,
  lastFailure: null,
};

export const regionsRouter = router({
  /** Each region with its hubs, what its store lacks, and what its version keys say of the projects one may see. */
  list: needs('view', somewhere).query(({ ctx }) =>
    ctx.reader.read(async (database) => {
      const visible = visibleNames(ctx.caller);
      const [regions, stores, hubs] = await Promise.all([
        database.execute(sql`select name from regions order by position`) as unknown as Promise<{ name: string }[]>,
        storesOf(database),
        hubsOf(database),
      ]);
      return Promise.all(
        [...regions].map(async ({ name }) => {
          const { keys, error } = await keysOfRegion(ctx.versionKeys, database, name, ctx.clock);
          const ofRegion = hubs.get(name) ?? [];
          return {
            region: name,
            machines: ofRegion.reduce((sum, { machines }) => sum + machines, 0),
            online: ofRegion.reduce((sum, { online }) => sum + online, 0),
            hubs: ofRegion.map(({ hub, machines, online, heardAt }) => ({ hub, machines, online, heardAt })),
            store: stores.get(name) ?? nothingMissing,
            /** Why these are only the keys that were written last; null when its key store answered. */
            keysError: error,
            keys: keys
              .filter(({ project }) => visible === undefined || visible.includes(project))
              .toSorted((a, b) => (a.project < b.project ? -1 : 1))
              .map(({ project, sequence, issuedAt, expiresAt, stable, candidate, quarantined }) => ({
                project,
                sequence,
                issuedAt: new Date(issuedAt),
                expiresAt: new Date(expiresAt),
                stable: stable?.build ?? null,
                candidate: candidate?.build ?? null,
                quarantined: quarantined.length,
              })),
          };
        }),
      );
    }),
  ),
});
