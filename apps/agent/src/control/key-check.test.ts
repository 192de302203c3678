import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestClock } from '@starling/shared/clock.ts';
import { generateSigningKey, TrustedKeys } from '@starling/shared/signing.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleKey, versionKeyPair } from '../testing/sample-build.ts';
import { checkKey } from './key-check.ts';
import { KeyGate } from './key-gate.ts';
import { KeyStore } from './key-store.ts';

const target = { build: 'hello@0123456789ab', manifestDigest: 'a'.repeat(64), deployment: 1 };
const trusted = new TrustedKeys('version-key', [versionKeyPair.publicPem]);
const now = Date.now();
const check = (key: ReturnType<typeof sampleKey>, lastSequence = 0, at = now) =>
  checkKey(key, { trusted, region: 'eu', now: at, lastSequence });

describe('a version key', () => {
  it('is followed when it is signed, for this region, valid and newer', () => {
    expect(check(sampleKey(3, target), 2)).toEqual({ follow: true });
  });

  it('is known when its number is the one that was followed', () => {
    expect(check(sampleKey(3, target), 3)).toEqual({ follow: false, reason: null });
  });

  it.each([
    ['tampered with', { ...sampleKey(3, target), stable: null }, 'its signature does not match its content'],
    ['signed by another', sampleKey(3, target, {}, generateSigningKey().privatePem), 'is not trusted here'],
    ['for another region', sampleKey(3, target, { region: 'us' }), 'it is for the region us, this machine is in eu'],
    ['numbered lower', sampleKey(1, target), 'it is older than key 2'],
    ['expired', sampleKey(3, target, { expiresAt: now - 60_000 }), 'it expired 1 m ago'],
    ['expiring this instant', sampleKey(3, target, { expiresAt: now }), 'it expired 0 ms ago'],
  ])('is refused when it is %s', (_, key, reason) => {
    const verdict = check(key, 2);
    expect(verdict).toMatchObject({ follow: false });
    expect((verdict as { reason: string }).reason).toContain(reason);
  });
});

describe('the gate', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-keys-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const open = async () =>
    new KeyGate({ keys: await KeyStore.open(folder), trusted, region: 'eu', clock: new TestClock(now) });

  it('remembers the highest number over restarts', async () => {
    expect(await (await open()).admit(sampleKey(7, target))).toEqual({ follow: true });
    const restarted = await open();
    expect(await restarted.admit(sampleKey(6, target))).toMatchObject({ follow: false, reason: expect.any(String) });
    expect(await restarted.admit(sampleKey(7, target))).toEqual({ follow: false, reason: null });
    expect(await restarted.admit(sampleKey(8, target))).toEqual({ follow: true });
    expect((await KeyStore.open(folder)).all().map(({ sequence }) => sequence)).toEqual([8]);
  });

  it('tells of the same refused key only once, and judges keys in the order they came', async () => {
    const gate = await open();
    const bad = { ...sampleKey(9, target), stable: null };
    const verdicts = await Promise.all([
      gate.admit(sampleKey(2, target)),
      gate.admit(bad),
      gate.admit(bad),
      gate.admit(sampleKey(1, target)),
    ]);
    expect(verdicts.map((verdict) => (verdict.follow ? 'follow' : verdict.reason === null ? 'quiet' : 'told'))).toEqual(
      ['follow', 'told', 'quiet', 'told'],
    );
  });
});
