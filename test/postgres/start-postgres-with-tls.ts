import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDatabase, startEmbeddedPostgres } from '@starling/local/embedded-postgres.ts';
import { choosePorts } from '@starling/local/ports.ts';
import { preparePostgresProgram } from '@starling/local/postgres-program.ts';
import { connect, disconnect } from '@starling/server/db/connect.ts';
import { generate } from 'selfsigned';
import { vi } from 'vitest';

export interface PostgresWithTls {
  /** `postgres://starling@127.0.0.1:<port>/starling`, without a word about TLS; it takes no connection without. */
  url: string;
  /** The authority that signed its certificate, and one that did not. */
  authority: string;
  otherAuthority: string;
  /** Holds the files of both, and may be written to. */
  folder: string;
  stop(): Promise<void>;
}

/** A real PostgreSQL on a TCP port, with a certificate for 127.0.0.1 (and for no name) of an authority of its own. */
export async function startPostgresWithTls(folder: string): Promise<PostgresWithTls> {
  const embedded = await startEmbeddedPostgres({ folder });
  await createDatabase(embedded, 'starling');
  await embedded.stop();

  const data = join(folder, 'data');
  const { uid, gid } = await stat(data);
  const certificates = await makeCertificates();
  const file = async (name: string, text: string, mode = 0o644) => {
    const path = join(folder, 'tls', name);
    await mkdir(join(folder, 'tls'), { recursive: true });
    await writeFile(path, text, { mode });
    await chown(path, uid, gid);
    return path;
  };
  const authority = await file('authority.pem', certificates.authority);
  const otherAuthority = await file('other-authority.pem', certificates.otherAuthority);
  const port = (await choosePorts([{ name: 'PostgreSQL', port: 0 }], '127.0.0.1'))[0]!.port;
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    ssl: 'on',
    ssl_cert_file: await file('server.crt', certificates.server.cert),
    ssl_key_file: await file('server.key', certificates.server.private, 0o600),
    hba_file: await file('pg_hba.conf', 'hostssl all all 127.0.0.1/32 trust\n'),
    fsync: 'off',
  };
  const program = await preparePostgresProgram(join(folder, 'program'), uid !== process.getuid?.());
  const server = spawn(
    join(program, 'bin/postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { uid, gid, cwd: '/', env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }, stdio: 'ignore' },
  );
  const ended = once(server, 'exit');
  const url = `postgres://starling@127.0.0.1:${port}/starling`;
  const stop = async () => {
    server.kill('SIGINT');
    await ended;
  };
  try {
    await vi.waitFor(
      async () => {
        const database = connect(`${url}?sslmode=require`, { applicationName: 'test', maxConnections: 1 });
        await database.execute('select 1').finally(() => disconnect(database));
      },
      { timeout: 20_000, interval: 50 },
    );
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return { url, authority, otherAuthority, folder, stop };
}

async function makeCertificates() {
  const authority = (name: string) =>
    generate([{ name: 'commonName', value: name }], {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'keyUsage', keyCertSign: true, cRLSign: true },
      ],
    });
  const [ours, other] = [await authority('An authority'), await authority('Another authority')];
  const server = await generate([{ name: 'commonName', value: 'postgres' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: { key: ours.private, cert: ours.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
  return { authority: ours.cert, otherAuthority: other.cert, server };
}
