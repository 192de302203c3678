import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { identityPath, openIdentity } from '@starling/host/kept-identity.ts';
import { prepareSecrets, type Secrets } from '@starling/local/secrets.ts';
import type { RoleName } from '@starling/server/config.ts';
import { examine } from '@starling/server/run-doctor.ts';
import type { Finding } from '@starling/shared/findings.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useFreshDatabase } from '../postgres/fresh-database.ts';

// What `main.ts doctor` says, in the environment of a server that does not run.

const program = fileURLToPath(new URL('../../apps/server/src/main.ts', import.meta.url));
const test = useFreshDatabase();
let folder: string;
let secrets: Secrets;
let control: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-doctor-'));
  secrets = await prepareSecrets(join(folder, 'secrets'));
  for (const store of ['main', 'eu']) await mkdir(join(folder, store));
  const blobs = (name: string) => pathToFileURL(join(folder, name)).href;
  control = {
    DATABASE_URL: test.url,
    STARLING_PORT: '0',
    STARLING_DATA: join(folder, 'data'),
    STARLING_BLOBS: blobs('main'),
    STARLING_REGIONS: `eu=${blobs('eu')}`,
    STARLING_VERSION_SIGNING_KEY: secrets.versionKey,
    STARLING_IDENTITY_SIGNING_KEY: secrets.identityKey,
    STARLING_ADMIN_TOKEN_FILE: secrets.adminToken,
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function doctor(environment: Record<string, string>, ...words: string[]) {
  const { stdout, code } = await promisify(execFile)(process.execPath, [program, 'doctor', ...words], {
    env: { PATH: process.env.PATH, ...environment },
    timeout: 30_000,
  }).then(
    ({ stdout }) => ({ stdout, code: 0 }),
    (error: { stdout: string; code: number }) => error,
  );
  return { stdout, code };
}
const byCheck = (found: Finding[]) => new Map(found.map(({ check, ...finding }) => [check, finding]));
const findings = async (environment: Record<string, string>, ...roles: RoleName[]) =>
  byCheck(await examine(roles, environment));

describe('the doctor of a server that does not run', () => {
  it('finds nothing wrong where nothing is, and leaves nothing behind', async () => {
    const { stdout, code } = await doctor(control, '--json');
    const of = byCheck(JSON.parse(stdout) as Finding[]);
    expect([...of].filter(([, { status }]) => status === 'bad')).toEqual([]);
    expect(code).toBe(0);
    for (const check of [
      'configuration of control',
      'secret files',
      'git',
      'address',
      'data folder',
      'version signing key',
      'identity signing key',
      'database',
      'schema',
      'clock',
      'blob store main',
      'blob store eu',
    ])
      expect(of.get(check), check).toMatchObject({ status: 'good', fix: null });
  });

  it('prints a line for each finding, with what to do below it, and ends with 1', async () => {
    const { stdout, code } = await doctor({ ...control, DATABASE_URL: 'postgres://starling@127.0.0.1:1/starling' });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ok {4}configuration of control +complete$/m);
    expect(stdout).toMatch(
      /^fail {2}database +PostgreSQL cannot be reached: .*127\.0\.0\.1:1\n +Check host and port in DATABASE_URL/m,
    );
  });

  it('names what is missing in the configuration, and looks at the rest', async () => {
    const { STARLING_BLOBS: _, ...less } = control;
    const of = await findings({ ...less, STARLING_PORT: 'x' });
    expect(of.get('configuration of control')).toMatchObject({
      status: 'bad',
      detail: expect.stringMatching(/STARLING_PORT.* STARLING_BLOBS is not set/),
    });
    expect(of.get('secret files')).toMatchObject({ status: 'good' });
    expect((await findings({})).get('configuration')).toMatchObject({ status: 'bad' });
  });

  it('finds secrets that everybody may read, a store that cannot be written, and no key in the file of a key', async () => {
    const loose = join(folder, 'loose.key');
    await writeFile(loose, 'no key');
    await chmod(loose, 0o644);
    const of = await findings({
      ...control,
      STARLING_VERSION_SIGNING_KEY: loose,
      STARLING_REGIONS: `eu=file://${loose}/below-a-file`,
    });
    expect(of.get('secret files')).toMatchObject({ status: 'warn', detail: expect.stringContaining(loose) });
    expect(of.get('version signing key')).toMatchObject({ status: 'bad', fix: expect.stringContaining('openssl') });
    expect(of.get('blob store eu')).toMatchObject({ status: 'bad' });
    expect(of.get('blob store main')).toMatchObject({ status: 'good' });
  });

  it('says when the tables are still to be made, and when a replica is none', async () => {
    const empty = test.url.replace(/\/test_[0-9a-f]+\?/, '/postgres?');
    const of = await findings({ ...control, DATABASE_URL: empty, DATABASE_READ_URL: empty });
    expect(of.get('schema')).toMatchObject({ status: 'warn', detail: expect.stringContaining('are to be done') });
    expect(of.get('replica')).toMatchObject({ status: 'bad', detail: expect.stringContaining('it is no replica') });
  });

  it('knows what workers and hubs need', async () => {
    const server = createServer((_request, response) => response.end('{}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const worker = {
      DATABASE_URL: control.DATABASE_URL!,
      STARLING_WORKER: 'w1',
      STARLING_DATA: folder,
      STARLING_BLOBS: control.STARLING_BLOBS!,
      STARLING_MANIFEST_SIGNING_KEY: secrets.manifestKey,
    };
    const hub = {
      ...worker,
      STARLING_HUB: 'hub-eu',
      STARLING_REGION: 'eu',
      STARLING_PORT: String(port),
      STARLING_CONTROL_URL: `http://127.0.0.1:${port}`,
      STARLING_IDENTITY_PUBLIC_KEYS: secrets.identityPublicKey,
      STARLING_ENROLMENT_TOKEN_FILE: join(folder, 'hub.token'),
      STARLING_MANIFEST_PUBLIC_KEYS: secrets.manifestPublicKey,
      STARLING_VERSION_PUBLIC_KEYS: secrets.versionPublicKey,
    };
    try {
      const of = await findings(hub, 'worker', 'hub');
      for (const check of [
        'manifest signing key',
        'manifest public keys',
        'identity public keys',
        'version keys eu',
        'control',
        'git',
      ])
        expect(of.get(check), check).toMatchObject({ status: 'good' });
      for (const role of ['worker', 'hub'])
        expect(of.get(`identity of ${role}`)).toMatchObject({
          status: 'bad',
          detail: expect.stringContaining('no token in'),
          fix: expect.stringContaining(`starling enrol ${role}`),
        });
      await writeFile(join(folder, 'hub.token'), 'stl_x', { mode: 0o600 });
      const kept = await openIdentity(identityPath(folder, 'worker', 'w1'), () => 's');
      await kept.keep({ region: null });
      const ready = await findings(hub, 'worker', 'hub');
      expect(ready.get('identity of hub')).toMatchObject({ status: 'good', detail: 'hub-eu enrols when it starts' });
      expect(ready.get('identity of worker')).toMatchObject({ status: 'good' });
      expect(of.get('address')).toMatchObject({ status: 'warn', detail: expect.stringContaining('Something listens') });
    } finally {
      server.close();
    }
    const away = { ...hub, STARLING_CONTROL_URL: 'http://127.0.0.1:1' };
    expect((await findings(away, 'hub')).get('control')).toMatchObject({ status: 'bad' });
  });
});
