import { fileURLToPath } from 'node:url';
import { StarlingError } from '@starling/shared/errors.ts';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import type postgres from 'postgres';
import { connect, disconnect } from './connect.ts';

const migrationsFolder = fileURLToPath(new URL('../../../../drizzle/migrations', import.meta.url));
/** Any fixed number: whoever holds this advisory lock migrates, the others wait. */
const migrationLock = 7_227_101;

/**
 * Brings the database to the newest schema, or leaves it as it is. Safe to call from several processes at once. CONFLICT when
 * what is in it cannot be taken over.
 */
export async function migrateToLatest(databaseUrl: string): Promise<void> {
  // One connection, so that the lock and the migration share a session.
  const database = connect(databaseUrl, { applicationName: 'starling-migrate', maxConnections: 1 });
  try {
    await database.$client`select pg_advisory_lock(${migrationLock})`;
    await insistOnReadableBuilds(database.$client);
    await migrate(database, { migrationsFolder });
  } finally {
    await disconnect(database);
  }
}

/** Builds from before they came in chunks: their manifests are in a form that no agent and no worker reads any more. */
async function insistOnReadableBuilds(client: postgres.Sql): Promise<void> {
  const [old] = await client`
    select from information_schema.columns
    where table_schema = current_schema and table_name = 'builds' and column_name = 'info_hash'`;
  if (!old) return;
  const [{ count }] = (await client`select count(*)::int as count from builds`) as unknown as [{ count: number }];
  if (count === 0) return;
  throw new StarlingError(
    'CONFLICT',
    `the database holds ${count === 1 ? 'a build' : `${count} builds`} of an earlier version of Starling, in a form that this version does not read; nothing was changed`,
    {
      field: 'DATABASE_URL',
      fix: 'Begin with an empty database and empty data folders (npm start: another folder, with STARLING_DATA) and build again; what is there stays of use to the version that made it.',
    },
  );
}
