import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StarlingError } from '@starling/shared/errors.ts';
import { generateSigningKey } from '@starling/shared/signing.ts';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';
import { agentVersion } from './version.ts';

const folder = mkdtempSync(join(tmpdir(), 'starling-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const pem = join(folder, 'key.pem');
writeFileSync(pem, generateSigningKey().publicPem);

const complete = {
  STARLING_AGENT_DATA: folder,
  STARLING_MACHINE: 'eu-1',
  STARLING_REGION: 'eu',
  STARLING_HUB_URL: 'http://127.0.0.1:7400/',
  STARLING_ENROLMENT_TOKEN_FILE: '/run/token',
  STARLING_LABELS: 'rack=r1, zone=a',
  STARLING_MANIFEST_PUBLIC_KEYS: `${pem},${pem}`,
  STARLING_VERSION_PUBLIC_KEYS: pem,
  PATH: '/bin',
  OTHER: 'x',
};

describe('the configuration', () => {
  it('is read with its defaults, and programs inherit only what is harmless', () => {
    expect(readConfig(complete)).toMatchObject({
      hubUrl: 'http://127.0.0.1:7400',
      labels: { rack: 'r1', zone: 'a' },
      swarmHost: '127.0.0.1',
      swarmPort: 0,
      swarmEncryption: 'required',
      swarmUpload: { bytesPerSecond: null, hours: [] },
      swarmDownload: { bytesPerSecond: null, hours: [] },
      keepSlots: 3,
      driftEveryMs: 21_600_000,
      programsOnStop: 'leave',
      tokenFile: '/run/token',
      programEnvironment: { PATH: '/bin' },
    });
  });

  it.each([
    ['STARLING_MACHINE', ''],
    ['STARLING_REGION', 'EU!'],
    ['STARLING_HUB_URL', 'ftp://hub'],
    ['STARLING_LABELS', 'rack'],
    ['STARLING_SWARM_PORT', '70000'],
    ['STARLING_KEEP_SLOTS', 'many'],
    ['STARLING_DRIFT_EVERY', 'often'],
    ['STARLING_KEEP_BYTES', 'plenty'],
    ['STARLING_RUNNER', 'cron'],
    ['STARLING_PROGRAMS_ON_STOP', 'maybe'],
    ['STARLING_MANIFEST_PUBLIC_KEYS', join(folder, 'nowhere.pem')],
  ])('names %s when it is wrong', (variable, value) => {
    const read = () => readConfig({ ...complete, [variable]: value });
    expect(read).toThrow(StarlingError);
    expect(read).toThrow(variable);
  });
});

describe('main.ts version', () => {
  it('prints the version of package.json without any configuration', () => {
    const main = join(import.meta.dirname, 'main.ts');
    const printed = execFileSync(process.execPath, [main, 'version'], { env: {}, encoding: 'utf8' }).trim();
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'));
    expect([printed, agentVersion]).toEqual([version, version]);
  });
});
