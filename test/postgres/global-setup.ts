import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import { migrateToLatest } from '@starling/server/db/migrate.ts';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The URL of the template database; `fresh-database.ts` clones it. */
    templateUrl: string;
  }
}

/** One real PostgreSQL for the run, with one migrated template that each test file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-test-pg-'));
  await chmod(folder, 0o711);
  const server = await startEmbeddedPostgres({
    folder,
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
  });
  await createDatabase(server, 'template');
  const templateUrl = server.urlOf('template');
  await migrateToLatest(templateUrl);
  project.provide('templateUrl', templateUrl);
  return async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
