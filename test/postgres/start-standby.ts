import { execFile } from 'node:child_process';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import postgres from 'postgres';

const run = promisify(execFile);

/**
 * A real streaming replica of the cluster that `startEmbeddedPostgres` runs in `primaryFolder`. It is made by hand, from a
 * copy of the files between the start and the stop of a backup: the embedded PostgreSQL has no pg_basebackup.
 */
export async function startStandby(
  primary: EmbeddedPostgres,
  primaryFolder: string,
  folder: string,
): Promise<EmbeddedPostgres> {
  const socketFolder = new URL(primary.urlOf('postgres')).searchParams.get('host') ?? '';
  const data = join(folder, 'data');
  await mkdir(folder, { recursive: true });
  const client = postgres({ host: socketFolder, user: 'starling', database: 'postgres', max: 1, onnotice: () => {} });
  try {
    await client`select pg_backup_start('standby', true)`;
    await run('cp', ['-a', join(primaryFolder, 'data'), data]);
    const [backup] = await client`select labelfile from pg_backup_stop(false)`;
    for (const own of ['postmaster.pid', 'postmaster.opts']) await rm(join(data, own), { force: true });
    await run('cp', ['-p', join(data, 'PG_VERSION'), join(data, 'standby.signal')]);
    await run('cp', ['-p', join(data, 'PG_VERSION'), join(data, 'backup_label')]);
    // Written over the copies of a file that has the right owner.
    await writeFile(join(data, 'standby.signal'), '');
    await writeFile(join(data, 'backup_label'), String(backup!.labelfile));
  } finally {
    await client.end({ timeout: 5 });
  }
  // In its configuration, so that it finds the primary again however it is started.
  const settings = `primary_conninfo = 'host=${socketFolder} user=starling'\nwal_retrieve_retry_interval = '100ms'\nfsync = off\n`;
  await appendFile(join(data, 'postgresql.auto.conf'), settings);
  return startEmbeddedPostgres({ folder });
}
