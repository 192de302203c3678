import { fileURLToPath } from 'node:url';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { connect, disconnect } from './connect.ts';

const migrationsFolder = fileURLToPath(new URL('../../../../drizzle/migrations', import.meta.url));
/** Any fixed number: whoever holds this advisory lock migrates, the others wait. */
const migrationLock = 7_227_101;

/** Brings the database to the newest schema. Safe to call from several processes at once. */
export async function migrateToLatest(databaseUrl: string): Promise<void> {
  // One connection, so that the lock and the migration share a session.
  const database = connect(databaseUrl, { applicationName: 'starling-migrate', maxConnections: 1 });
  try {
    await database.$client`select pg_advisory_lock(${migrationLock})`;
    await migrate(database, { migrationsFolder });
  } finally {
    await disconnect(database);
  }
}
