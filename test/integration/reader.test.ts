import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectApi } from '@starling/local/api-client.ts';
import { Child } from '@starling/local/child.ts';
import { inheritedEnvironment } from '@starling/local/config.ts';
import { createDatabase, type EmbeddedPostgres, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import { choosePorts } from '@starling/local/ports.ts';
import { prepareSecrets } from '@starling/local/secrets.ts';
import { grantToken } from '@starling/server/accounts/tokens.ts';
import { announce } from '@starling/server/db/changes.ts';
import { connect, type Database, disconnect } from '@starling/server/db/connect.ts';
import { migrateToLatest } from '@starling/server/db/migrate.ts';
import { type Reader, replicaReader } from '@starling/server/db/reader.ts';
import { createLogger } from '@starling/server/lib/log.ts';
import { type Clock, systemClock } from '@starling/shared/clock.ts';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApi } from '../api/start-test-api.ts';
import { startStandby } from '../postgres/start-standby.ts';

const patience = { timeout: 20_000, interval: 25 };
/** Eight times as fast as time, so that ten seconds behind is soon. */
const fast: Clock = {
  now: () => systemClock.now() * 8,
  sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / 8, signal),
};
const log = createLogger('test', 'silent');

let folder: string;
let primaryServer: EmbeddedPostgres;
let standby: EmbeddedPostgres;
let primary: Database;
let onStandby: Database;
const readers: Reader[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-standby-'));
  await chmod(folder, 0o711);
  primaryServer = await startEmbeddedPostgres({ folder: join(folder, 'primary'), settings: { fsync: 'off' } });
  await createDatabase(primaryServer, 'starling');
  standby = await startStandby(primaryServer, join(folder, 'primary'), join(folder, 'standby'));
  primary = connect(primaryServer.urlOf('starling'), { applicationName: 'test', maxConnections: 3 });
  onStandby = connect(standby.urlOf('starling'), { applicationName: 'test', maxConnections: 1 });
  await primary.execute(sql`create table facts (id int primary key)`);
  await primary.execute(sql`create role reader login`);
}, 60_000);
afterEach(() => Promise.all(readers.splice(0).map((reader) => reader.stop())));
afterAll(async () => {
  await Promise.all([onStandby, primary].filter(Boolean).map(disconnect));
  await standby?.stop();
  await primaryServer?.stop();
  await rm(folder, { recursive: true, force: true });
});

function open(url = standby.urlOf('starling'), clock = fast): Reader {
  const reader = replicaReader({ primary, url, clock, log });
  readers.push(reader);
  return reader;
}
const status = (reader: Reader, expected: string) =>
  vi.waitFor(() => expect(reader.state()).toMatchObject({ status: expected }), patience);
const isOnReplica = (reader: Reader) =>
  reader.read(async (database) => {
    const [row] = await database.execute(sql`select pg_is_in_recovery() as replica`);
    return row?.replica;
  });
const facts = (reader: Reader) =>
  reader.read(async (database) => Number((await database.execute(sql`select count(*) from facts`))[0]?.count));

describe('reads over a replica', () => {
  it('go to it once it is known to be fit, and cannot write there', async () => {
    const reader = open();
    expect(await isOnReplica(reader)).toBe(false);
    await status(reader, 'in use');
    expect(await isOnReplica(reader)).toBe(true);
    const write = reader.read((database) => database.execute(sql`insert into facts values (-1)`));
    await expect(write).rejects.toMatchObject({ cause: { code: '25006' } });
    expect(await primary.execute(sql`select 1 from facts where id = -1`)).toHaveLength(0);
  });

  it('are for users without special rights too', async () => {
    const asReader = connect(primaryServer.urlOf('starling').replace('starling@', 'reader@'), {
      applicationName: 'test',
    });
    const reader = replicaReader({
      primary: asReader,
      url: standby.urlOf('starling').replace('starling@', 'reader@'),
      clock: fast,
      log,
    });
    readers.push(reader);
    await status(reader, 'in use');
    expect(await isOnReplica(reader)).toBe(true);
    await reader.stop();
    await disconnect(asReader);
  });

  it('contain whatever was announced before, however the replica hurries', async () => {
    const reader = open();
    await status(reader, 'in use');
    for (let count = 0; count < 100; count += 1) {
      const before = await facts(reader);
      await primary.execute(sql`insert into facts select count(*) from facts`);
      reader.changed();
      expect(await facts(reader)).toBe(before + 1);
    }
  });

  it('go to the primary for what the replica has not yet, and back when it has', async () => {
    const reader = open();
    await status(reader, 'in use');
    const before = await facts(reader);
    await onStandby.execute(sql`select pg_wal_replay_pause()`);
    try {
      await primary.execute(sql`insert into facts values (${1_000 + before})`);
      reader.changed();
      expect(await facts(reader)).toBe(before + 1);
      expect(await isOnReplica(reader)).toBe(false);
    } finally {
      await onStandby.execute(sql`select pg_wal_replay_resume()`);
    }
    await vi.waitFor(async () => expect(await isOnReplica(reader)).toBe(true), patience);
    expect(await facts(reader)).toBe(before + 1);
  });

  it('go to the primary while the replica is late, also when nobody said that anything changed', async () => {
    const reader = open();
    await status(reader, 'in use');
    await onStandby.execute(sql`select pg_wal_replay_pause()`);
    try {
      await primary.execute(sql`insert into facts values (-2)`);
      await status(reader, 'late');
      expect(reader.state()).toMatchObject({ lagMs: expect.any(Number), why: expect.any(String) });
      expect(await isOnReplica(reader)).toBe(false);
    } finally {
      await onStandby.execute(sql`select pg_wal_replay_resume()`);
    }
    await status(reader, 'in use');
    expect(await isOnReplica(reader)).toBe(true);
  });

  it('go to the primary while the replica is stopped or hangs, and back when it is there again', async () => {
    const reader = open();
    await status(reader, 'in use');
    await standby.stop();
    // Nobody has looked yet: the read itself finds out.
    expect(await isOnReplica(reader)).toBe(false);
    await status(reader, 'away');
    expect(await isOnReplica(reader)).toBe(false);
    standby = await startEmbeddedPostgres({ folder: join(folder, 'standby') });
    await status(reader, 'in use');
    await primary.execute(sql`insert into facts values (-3)`);
    reader.changed();
    await vi.waitFor(async () => expect(await isOnReplica(reader)).toBe(true), patience);

    const postmaster = Number((await readFile(join(folder, 'standby/data/postmaster.pid'), 'utf8')).split('\n')[0]);
    const [row] = await reader.read((database) => database.execute(sql`select pg_backend_pid() as pid`));
    for (const pid of [postmaster, Number(row?.pid)]) process.kill(pid, 'SIGSTOP');
    try {
      // A read that is under way is not left hanging.
      expect(await isOnReplica(reader)).toBe(false);
      await status(reader, 'away');
    } finally {
      for (const pid of [Number(row?.pid), postmaster]) process.kill(pid, 'SIGCONT');
    }
    await status(reader, 'in use');
    expect(await isOnReplica(reader)).toBe(true);
  });

  it('show callers of the API what they just changed', async () => {
    const reader = open();
    await status(reader, 'in use');
    await migrateToLatest(primaryServer.urlOf('starling'));
    const token = randomBytes(20).toString('hex');
    await grantToken(primary, 'admin', 'admin', token);
    const server = await startTestApi(primary, { reader });
    server.changes.subscribe(() => reader.changed());
    const api = server.as(token);
    for (let count = 1; count <= 20; count += 1) {
      await api.projects.add.mutate({ name: `shop-${count}`, repositoryUrl: 'https://git.example/shop' });
      expect((await api.overview.get.query()).projects).toHaveLength(count);
    }
    // As another server would: a change that this one is only told of.
    await primary.transaction(async (tx) => {
      await tx.execute(sql`update projects set default_ref = 'trunk'`);
      await announce(tx, 'projects');
    });
    await vi.waitFor(
      async () => expect((await api.overview.get.query()).projects[0]!.defaultRef).toBe('trunk'),
      patience,
    );
    await server.stop();
  });

  it('are configured, and watched, in a control server', async () => {
    const secrets = await prepareSecrets(join(folder, 'secrets'));
    const port = (await choosePorts([{ name: 'control', port: 0 }], '127.0.0.1'))[0]!.port;
    const control = new Child({
      name: 'control',
      program: fileURLToPath(new URL('../../apps/server/src/main.ts', import.meta.url)),
      programArguments: ['control'],
      logFile: join(folder, 'control.log'),
      saysReady: true,
      environment: {
        ...inheritedEnvironment(),
        DATABASE_URL: primaryServer.urlOf('starling'),
        DATABASE_READ_URL: standby.urlOf('starling'),
        STARLING_PORT: String(port),
        STARLING_BLOBS: join(folder, 'main'),
        STARLING_REGIONS: `eu=${join(folder, 'eu')}`,
        STARLING_VERSION_SIGNING_KEY: secrets.versionKey,
        STARLING_ADMIN_TOKEN_FILE: secrets.adminToken,
      },
    }).start();
    try {
      await control.ready();
      const url = `http://127.0.0.1:${port}`;
      await vi.waitFor(async () => {
        const health = await (await fetch(`${url}/healthz`)).json();
        expect(health).toMatchObject({ healthy: true, replica: { status: 'in use', why: null } });
      }, patience);
      expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^starling_replica_in_use 1$/m);
      const api = connectApi(url, (await readFile(secrets.adminToken, 'utf8')).trim());
      expect(await api.doctor.run.query()).toContainEqual(
        expect.objectContaining({ check: 'replica', status: 'good' }),
      );
      expect(await api.history.list.query({})).toMatchObject({});
      const [row] = await onStandby.execute(sql`
        select count(*)::int as readers from pg_stat_activity where application_name = 'starling-reader'`);
      expect(row?.readers).toBeGreaterThan(0);
    } finally {
      await control.stop();
    }
  });

  it('never go to what is no replica of this database', async () => {
    const reader = open(primaryServer.urlOf('starling'));
    await status(reader, 'wrong');
    expect(await isOnReplica(reader)).toBe(false);
  });
});
