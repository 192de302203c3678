import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyManifest } from '@starling/shared/manifest-verify.ts';
import { generateSigningKey, Signer, TrustedKeys } from '@starling/shared/signing.ts';
import { describe, expect, it } from 'vitest';
import { makeManifest } from './make-manifest.ts';
import { packArtifact } from './pack.ts';

const keys = generateSigningKey();

async function unsignedManifest() {
  const root = await mkdtemp(join(tmpdir(), 'starling-manifest-'));
  await writeFile(join(root, 'app'), 'the program');
  const { entries, pack } = await packArtifact({ root, artifactPath: 'app', packFile: join(root, 'pack') });
  await rm(root, { recursive: true });
  return {
    format: 1 as const,
    build: 'hello@1a2b3c4d5e6f',
    project: 'hello',
    provenance: {
      repositoryUrl: '/repositories/hello',
      commitSha: '1a2b3c4d5e6f'.padEnd(40, '0'),
      recipeDigest: 'a'.repeat(64),
      worker: 'worker-1',
      startedAt: 1,
      finishedAt: 2,
    },
    entries,
    pack,
    run: {
      command: './app',
      environment: {},
      port: null,
      stopGraceMs: 0,
      health: { type: 'none' as const },
      healthIntervalMs: 1_000,
      minHealthyTimeMs: 0,
      healthyDeadlineMs: 1_000,
    },
  };
}

describe('makeManifest', () => {
  it('makes what every reader accepts', async () => {
    const unsigned = await unsignedManifest();
    const { manifest, bytes, digest } = makeManifest(unsigned, new Signer('manifest', keys.privatePem));
    const trusted = new TrustedKeys('manifest', [keys.publicPem]);
    expect(verifyManifest(bytes, { digest, build: 'hello@1a2b3c4d5e6f', project: 'hello' }, trusted)).toEqual(manifest);
  });

  it('signs nothing that a reader would refuse', async () => {
    const unsigned = await unsignedManifest();
    const signer = new Signer('manifest', keys.privatePem);
    expect(() => makeManifest({ ...unsigned, build: 'no build id' }, signer)).toThrow();
    expect(() => makeManifest({ ...unsigned, pack: { ...unsigned.pack, sizeBytes: 99 } }, signer)).toThrow(/defective/);
  });
});
