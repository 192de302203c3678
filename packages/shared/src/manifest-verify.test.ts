import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.ts';
import { StarlingError } from './errors.ts';
import type { UnsignedManifest } from './manifest.ts';
import { verifyManifest } from './manifest-verify.ts';
import { generateSigningKey, Signer, TrustedKeys } from './signing.ts';

const keys = generateSigningKey();
const signer = new Signer('manifest', keys.privatePem);
const trusted = new TrustedKeys('manifest', [keys.publicPem]);
const sha = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');

const unsigned: UnsignedManifest = {
  format: 1,
  build: 'hello@1a2b3c4d5e6f',
  project: 'hello',
  provenance: {
    repositoryUrl: 'https://example.org/hello.git',
    commitSha: '1a2b3c4d5e6f'.padEnd(40, '0'),
    recipeDigest: sha('recipe'),
    worker: 'worker-1',
    startedAt: 1,
    finishedAt: 2,
  },
  entries: [
    { type: 'file', path: 'bin', executable: true, sizeBytes: 3, offset: 0, sha256: sha('abc') },
    { type: 'link', path: 'latest', target: 'bin' },
  ],
  pack: {
    sha256: sha('abc'),
    sizeBytes: 3,
    torrent: { infoHash: 'a'.repeat(40), info: 'ZGU=', pieceLength: 16384 },
  },
  run: {
    command: './bin',
    environment: {},
    port: null,
    stopGraceMs: 0,
    health: { type: 'none' },
    healthIntervalMs: 1000,
    minHealthyTimeMs: 0,
    healthyDeadlineMs: 1000,
  },
};

const bytesOf = (document: object) => Buffer.from(canonicalJson(document));
const verify = (bytes: Uint8Array, more: { build?: string; project?: string } = {}) =>
  verifyManifest(bytes, { digest: sha(bytes), ...more }, trusted);

function refusalOf(action: () => unknown): StarlingError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof StarlingError) return thrown;
    throw thrown;
  }
  throw new Error('it was not refused');
}

describe('verifyManifest', () => {
  it('returns a manifest that is what was asked for', () => {
    const signed = signer.sign(unsigned);
    expect(verify(bytesOf(signed), { build: unsigned.build, project: 'hello' })).toEqual(signed);
  });

  it('keeps the signature of members it does not know', () => {
    expect(verify(bytesOf(signer.sign({ ...unsigned, later: 'something' }))).build).toBe(unsigned.build);
  });

  it.each<[string, RegExp, () => unknown]>([
    [
      'digest',
      /have the digest/,
      () => verifyManifest(bytesOf(signer.sign(unsigned)), { digest: sha('else') }, trusted),
    ],
    ['json', /not JSON/, () => verify(Buffer.from('{"format":'))],
    ['json', /UTF-8/, () => verify(Buffer.from([0x22, 0xff, 0x22]))],
    ['schema', /entries/, () => verify(bytesOf(signer.sign({ ...unsigned, entries: [] })))],
    ['schema', /the document/, () => verify(Buffer.from('null'))],
    ['signature', /does not match/, () => verify(bytesOf({ ...signer.sign(unsigned), build: 'hello@ffffffffffff' }))],
    [
      'signature',
      /not trusted here/,
      () => verify(bytesOf(new Signer('manifest', generateSigningKey().privatePem).sign(unsigned))),
    ],
    ['signature', /does not match/, () => verify(bytesOf(new Signer('version-key', keys.privatePem).sign(unsigned)))],
    [
      'tree',
      /out of order/,
      () => verify(bytesOf(signer.sign({ ...unsigned, entries: unsigned.entries.toReversed() }))),
    ],
    [
      'tree',
      /leads out/,
      () =>
        verify(
          bytesOf(
            signer.sign({
              ...unsigned,
              entries: [unsigned.entries[0]!, { type: 'link' as const, path: 'latest', target: '../etc' }],
            }),
          ),
        ),
    ],
    [
      'build',
      /not of hello@000000000000/,
      () => verify(bytesOf(signer.sign(unsigned)), { build: 'hello@000000000000' }),
    ],
    ['project', /not of other/, () => verify(bytesOf(signer.sign(unsigned)), { project: 'other' })],
  ])('refuses for its %s: %s', (field, message, action) => {
    const refusal = refusalOf(action);
    expect(refusal).toMatchObject({ code: 'INVALID_INPUT', field: `manifest.${field}` });
    expect(refusal.message).toMatch(message);
  });
});
