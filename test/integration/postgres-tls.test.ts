import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, disconnect } from '@starling/server/db/connect.ts';
import { databaseTrouble } from '@starling/server/db/database-trouble.ts';
import { migrateToLatest } from '@starling/server/db/migrate.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type PostgresWithTls, startPostgresWithTls } from '../postgres/start-postgres-with-tls.ts';

let folder: string;
let server: PostgresWithTls;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-tls-'));
  await chmod(folder, 0o711);
  server = await startPostgresWithTls(folder);
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The TLS version that the server says it speaks with a client of this URL. */
async function tlsVersion(url: string): Promise<unknown> {
  const database = connect(url, { applicationName: 'test', maxConnections: 1 });
  try {
    const [row] = await database.execute(sql`select version from pg_stat_ssl where pid = pg_backend_pid()`);
    return row?.version;
  } finally {
    await disconnect(database);
  }
}

const troubleWith = async (url: string) => {
  const thrown = await tlsVersion(url).then(
    () => undefined,
    (error: unknown) => error,
  );
  return databaseTrouble(thrown);
};
const withNameOf = (url: string, name: string) => url.replace('127.0.0.1', name);

describe('a PostgreSQL with TLS', () => {
  it('is reached encrypted, with its authority checked or not, as the URL says', async () => {
    expect(await tlsVersion(`${server.url}?sslmode=require`)).toMatch(/^TLSv1/);
    expect(await tlsVersion(`${server.url}?sslmode=prefer`)).toMatch(/^TLSv1/);
    for (const mode of ['require', 'verify-ca', 'verify-full'])
      expect(await tlsVersion(`${server.url}?sslmode=${mode}&sslrootcert=${server.authority}`), mode).toMatch(/^TLSv1/);
    expect(await tlsVersion(`${server.url}?sslrootcert=${server.authority}`)).toMatch(/^TLSv1/);
  });

  it('is brought to the newest schema over TLS', async () => {
    await migrateToLatest(`${server.url}?sslmode=verify-full&sslrootcert=${server.authority}`);
  });

  it.each(['require', 'verify-ca', 'verify-full'])('is refused when another authority is named (%s)', async (mode) => {
    expect(await troubleWith(`${server.url}?sslmode=${mode}&sslrootcert=${server.otherAuthority}`)).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('a certificate that no known authority has signed'),
      fix: expect.stringContaining('sslrootcert='),
    });
  });

  it('is refused when no authority is named that signed its certificate', async () => {
    expect(await troubleWith(`${server.url}?sslmode=verify-full`)).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await troubleWith(`${server.url}?sslmode=verify-full&sslrootcert=system`)).toMatchObject({
      code: 'UNAVAILABLE',
    });
  });

  it('is refused under a name that its certificate does not have, unless names are not asked for', async () => {
    const url = withNameOf(server.url, 'localhost');
    expect(await troubleWith(`${url}?sslmode=verify-full&sslrootcert=${server.authority}`)).toMatchObject({
      message: expect.stringContaining('a certificate for another name'),
    });
    expect(await tlsVersion(`${url}?sslmode=verify-ca&sslrootcert=${server.authority}`)).toMatch(/^TLSv1/);
  });

  it('lets nobody in without TLS, and says so', async () => {
    expect(await troubleWith(server.url)).toMatchObject({
      message: expect.stringContaining('takes nobody without TLS'),
      fix: expect.stringContaining('sslmode='),
    });
  });

  it('is not taken for one that has none', async () => {
    const plain = inject('templateUrl').replace('/template?', '/postgres?');
    expect(await troubleWith(`${plain}&sslmode=require`)).toMatchObject({
      message: expect.stringContaining('does not speak TLS'),
    });
  });
});
