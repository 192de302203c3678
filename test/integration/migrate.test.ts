import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { migrateToLatest } from '@starling/server/db/migrate.ts';
import { sql } from 'drizzle-orm';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { expect, it } from 'vitest';
import { useFreshDatabase } from '../postgres/fresh-database.ts';

// Databases that an earlier version of Starling left.

const migrations = fileURLToPath(new URL('../../drizzle/migrations', import.meta.url));
const fresh = useFreshDatabase();

/** Empties the database and brings it to the schema that a version before this migration had. */
async function asBefore(tag: string): Promise<void> {
  await fresh.database.execute(sql`drop schema public cascade`);
  await fresh.database.execute(sql`drop schema drizzle cascade`);
  await fresh.database.execute(sql`create schema public`);
  const folder = await mkdtemp(join(tmpdir(), 'starling-migrations-'));
  try {
    await cp(migrations, folder, { recursive: true });
    const path = join(folder, 'meta/_journal.json');
    const journal = JSON.parse(await readFile(path, 'utf8'));
    const at = journal.entries.findIndex((entry: { tag: string }) => entry.tag === tag);
    expect(at).toBeGreaterThan(0);
    await writeFile(path, JSON.stringify({ ...journal, entries: journal.entries.slice(0, at) }));
    await migrate(fresh.database, { migrationsFolder: folder });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const columnsOfBuilds = async () =>
  (
    await fresh.database.execute<{ column_name: string }>(
      sql`select column_name from information_schema.columns where table_name = 'builds' order by 1`,
    )
  ).map((row) => row.column_name);

it('says what to do about builds that are no longer read, and changes nothing', async () => {
  await asBefore('0011_packs');
  await fresh.database.execute(
    sql`insert into projects (name, repository_url, default_ref, binary_name, created_by) values ('shop', '/shop', 'main', 'shop', 'ada')`,
  );
  const columns = await columnsOfBuilds();
  await fresh.database.transaction(async (tx) => {
    await tx.execute(sql`set local session_replication_role = replica`);
    await tx.execute(sql`
      insert into builds (id, project, commit_sha, job_id, commit_author, commit_subject, committed_at, manifest_digest,
        manifest_bytes, pack_digest, pack_bytes, info_hash, file_count)
      values ('shop@0123456789ab', 'shop', 'a', 1, 'Ada', 'A change', now(), 'b', 1, 'c', 1, 'd', 1)`);
  });
  await expect(migrateToLatest(fresh.url)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('holds a build of an earlier version'),
    fix: expect.stringContaining('STARLING_DATA'),
  });
  expect(await columnsOfBuilds()).toEqual(columns);
});

it('takes over a database of an earlier version that has built nothing', async () => {
  await asBefore('0011_packs');
  await fresh.database.execute(
    sql`insert into projects (name, repository_url, default_ref, binary_name, created_by) values ('shop', '/shop', 'main', 'shop', 'ada')`,
  );
  await migrateToLatest(fresh.url);
  expect(await columnsOfBuilds()).toContain('stream_bytes');
  expect(await fresh.database.execute(sql`select name from projects`)).toMatchObject([{ name: 'shop' }]);
});
