import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'starling-config-'));
const file = join(folder, 'secret');
writeFileSync(file, 'secret\n');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const database = { DATABASE_URL: 'postgres://localhost/starling' };
const control = (more: Record<string, string>) =>
  readConfig('control', {
    ...database,
    STARLING_REGIONS: 'eu=/data/eu us=/data/us',
    STARLING_BLOBS: '/data/main',
    STARLING_VERSION_SIGNING_KEY: file,
    ...more,
  });
const hub = (more: Record<string, string>) =>
  readConfig('hub', {
    STARLING_HUB: 'hub-eu',
    STARLING_REGION: 'eu',
    STARLING_DATA: '/data/hub',
    STARLING_BLOBS: '/data/eu',
    STARLING_CONTROL_URL: 'http://control:4600',
    STARLING_IDENTITY_PUBLIC_KEYS: file,
    STARLING_MANIFEST_PUBLIC_KEYS: file,
    STARLING_VERSION_PUBLIC_KEYS: file,
    ...more,
  });

describe('where control keeps version keys', () => {
  it('is PostgreSQL when nothing is said', () => {
    expect(control({}).STARLING_VERSION_KEYS).toBeUndefined();
  });

  it('is the etcd of each region', () => {
    const { STARLING_VERSION_KEYS: clusters } = control({
      STARLING_VERSION_KEYS: 'eu=etcd://a:2379,b us=etcds://c:4001',
    });
    expect([...clusters!]).toEqual([
      ['eu', ['http://a:2379', 'http://b:2379']],
      ['us', ['https://c:4001']],
    ]);
  });

  it.each([
    ['eu=etcd://a', 'STARLING_VERSION_KEYS: names no etcd for us, which STARLING_REGIONS has'],
    [
      'eu=etcd://a us=etcd://b mars=etcd://c',
      'STARLING_VERSION_KEYS: names mars, which STARLING_REGIONS does not have',
    ],
    ['eu=etcd://a us=http://b', 'STARLING_VERSION_KEYS: expected "<region>=etcd://host:2379'],
    ['eu=etcd://a eu=etcd://b', 'no region twice'],
    ['etcd://a', 'STARLING_VERSION_KEYS: expected "<region>=etcd://host:2379'],
  ])('is not %s', (text, message) => {
    expect(() => control({ STARLING_VERSION_KEYS: text })).toThrow(message);
  });

  it('needs a password with a user, and a user with a password', () => {
    expect(() => control({ STARLING_ETCD_USER: 'root' })).toThrow(
      'STARLING_ETCD_PASSWORD_FILE: must be set beside STARLING_ETCD_USER',
    );
    expect(() => control({ STARLING_ETCD_PASSWORD_FILE: file })).toThrow(
      'STARLING_ETCD_USER: must be set beside STARLING_ETCD_PASSWORD_FILE',
    );
    const both = control({ STARLING_ETCD_USER: 'root', STARLING_ETCD_PASSWORD_FILE: file });
    expect(both.STARLING_ETCD_PASSWORD_FILE).toBe('secret');
  });
});

describe('where a hub reads version keys', () => {
  it('is PostgreSQL or the etcd of its region', () => {
    expect(hub(database).STARLING_VERSION_KEYS).toBeUndefined();
    const config = hub({ STARLING_VERSION_KEYS: 'etcd://a:2379' });
    expect([config.DATABASE_URL, config.STARLING_VERSION_KEYS]).toEqual([undefined, ['http://a:2379']]);
  });

  it.each([
    [{}, 'set either DATABASE_URL or STARLING_VERSION_KEYS (neither is set)'],
    [{ ...database, STARLING_VERSION_KEYS: 'etcd://a' }, 'set either DATABASE_URL or STARLING_VERSION_KEYS (both are)'],
    [{ STARLING_VERSION_KEYS: 'eu=etcd://a' }, 'STARLING_VERSION_KEYS: expected etcd://host:2379'],
  ])('is exactly one of them: %j', (environment, message) => {
    expect(() => hub(environment)).toThrow(message);
  });
});

describe('where a hub listens', () => {
  const at = (more: Record<string, string>) => hub({ ...database, ...more });
  const elsewhere = { STARLING_HOST: '0.0.0.0' };
  const pair = { STARLING_TLS_CERT_FILE: '/hub.pem', STARLING_TLS_KEY_FILE: '/hub.key' };

  it.each([
    {},
    { STARLING_HOST: '::1' },
    { ...elsewhere, ...pair },
    { ...elsewhere, STARLING_TLS: 'off' },
    { ...elsewhere, STARLING_BEHIND_PROXY: '10.0.0.7,10.1.0.0/16' },
  ])('may be %j', (more) => {
    expect(at(more).STARLING_HOST).toBe(more.STARLING_HOST ?? '127.0.0.1');
  });

  it.each([
    [
      elsewhere,
      'STARLING_HOST: is not loopback: set STARLING_TLS_CERT_FILE, STARLING_BEHIND_PROXY or STARLING_TLS=off',
    ],
    [{ STARLING_TLS_KEY_FILE: '/hub.key' }, 'STARLING_TLS_KEY_FILE: must be set beside the other of the two'],
    [{ ...pair, STARLING_TLS: 'off' }, 'STARLING_TLS: is off, and a certificate is named'],
    [{ STARLING_TLS: 'auto' }, 'STARLING_TLS'],
    [{ STARLING_BEHIND_PROXY: 'balancer' }, 'STARLING_BEHIND_PROXY: expected addresses or ranges'],
    [{ STARLING_BEHIND_PROXY: '10.0.0.0/99' }, 'STARLING_BEHIND_PROXY: expected addresses or ranges'],
  ])('may not be %j', (more, message) => {
    expect(() => at(more)).toThrow(message);
  });
});

describe('a worker', () => {
  const worker = (more: Record<string, string>) =>
    readConfig('worker', {
      ...database,
      STARLING_WORKER: 'w1',
      STARLING_DATA: '/data',
      STARLING_BLOBS: '/data/main',
      STARLING_MANIFEST_SIGNING_KEY: file,
      ...more,
    });

  it.each([
    ['', {}],
    ['os=linux', { os: 'linux' }],
    [' os=linux, gpu=,', { os: 'linux', gpu: '' }],
    ['path=a=b', { path: 'a=b' }],
  ])('has the labels %j', (text, labels) => {
    expect(worker({ STARLING_WORKER_LABELS: text }).STARLING_WORKER_LABELS).toEqual(labels);
  });

  it.each(['linux', '=linux', 'os=linux,os=mac', 'o s=x'])('has no labels such as %j', (text) => {
    expect(() => worker({ STARLING_WORKER_LABELS: text })).toThrow(
      'STARLING_WORKER_LABELS: expected "<name>=<value>" with commas between, no name twice',
    );
  });

  it('drains for as long as it is told to, a day at most', () => {
    expect(worker({}).STARLING_DRAIN_ON_STOP).toBe(0);
    expect(worker({ STARLING_DRAIN_ON_STOP: '20m' }).STARLING_DRAIN_ON_STOP).toBe(1_200_000);
    expect(() => worker({ STARLING_DRAIN_ON_STOP: '2d' })).toThrow('STARLING_DRAIN_ON_STOP: must be at most 24h');
  });
});

it('what is missing is named, all at once', () => {
  expect(() => readConfig('hub', {})).toThrow(/STARLING_HUB is not set\n.*STARLING_REGION is not set/);
});
