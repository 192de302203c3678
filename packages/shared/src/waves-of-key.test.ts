import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fractionReaching, isInWave, sameStatement, targetFor, type UnsignedVersionKey } from './version-key.ts';

const digest = 'd'.repeat(64);
const stable = { build: 'shop@0123456789ab', manifestDigest: digest, deployment: 1 };
const next = { build: 'shop@ba9876543210', manifestDigest: digest, deployment: 2 };
const key = (candidate: UnsignedVersionKey['candidate']): UnsignedVersionKey => ({
  format: 1,
  project: 'shop',
  region: 'eu',
  sequence: 1,
  issuedAt: 0,
  expiresAt: 1,
  stable,
  candidate,
  prefetch: [],
  quarantined: [],
});
const someMachines = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,12}$/), { minLength: 1, maxLength: 60 });
const someShare = fc.integer({ min: 1, max: 1_000 }).map((thousandths) => thousandths / 1_000);

describe('the wave of a key', () => {
  it('is chosen by labels beside the fraction: all of a selector, any of them', () => {
    const candidate = { ...next, salt: 's', fraction: 0, selectors: [{ group: 'canary', zone: 'a' }, { rack: 'r9' }] };
    const runs = (labels: Record<string, string>) => targetFor(key(candidate), 'm1', labels)?.build;
    expect(runs({ group: 'canary', zone: 'a', more: 'x' })).toBe(next.build);
    expect(runs({ rack: 'r9' })).toBe(next.build);
    expect(runs({ group: 'canary', zone: 'b' })).toBe(stable.build);
    expect(runs({})).toBe(stable.build);
  });

  it('is nobody by a selector without labels, and not by names that every object has', () => {
    const wave = { salt: 's', fraction: 0 };
    expect(isInWave({ ...wave, selectors: [{}] }, 'm1', { group: 'canary' })).toBe(false);
    expect(isInWave({ ...wave, selectors: [{ constructor: 'x' }] }, 'm1', {})).toBe(false);
  });

  it('says the same with no selectors as keys did before there were any', () => {
    const before = key({ ...next, salt: 's', fraction: 0.5 });
    expect(sameStatement(before, key({ ...next, salt: 's', fraction: 0.5, selectors: undefined } as never))).toBe(true);
    expect(sameStatement(before, key({ ...next, salt: 's', fraction: 0.5, selectors: [{ a: 'b' }] }))).toBe(false);
  });

  it('has exactly the share of the machines, one at least, and only grows with it', () => {
    fc.assert(
      fc.property(someMachines, someShare, someShare, (machines, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const chosen = (share: number) => {
          const wave = { salt: 'salt', fraction: fractionReaching('salt', machines, share) };
          return machines.filter((machine) => isInWave(wave, machine, {}));
        };
        expect(chosen(less)).toHaveLength(Math.max(1, Math.ceil(machines.length * less - 1e-9)));
        expect(chosen(more)).toEqual(expect.arrayContaining(chosen(less)));
      }),
    );
  });

  it('never leaves a machine without a version once something is stable', () => {
    const selectors = fc.option(fc.array(fc.dictionary(fc.string(), fc.string()), { maxLength: 3 }), {
      nil: undefined,
    });
    const wave = fc.record({ salt: fc.string({ maxLength: 8 }), fraction: fc.double({ min: 0, max: 1, noNaN: true }) });
    const labels = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(wave, selectors, labels, (chosen, of, own) => {
        const statement = key({ ...next, ...chosen, ...(of && { selectors: of }) });
        expect([stable.build, next.build]).toContain(targetFor(statement, 'm1', own)?.build);
      }),
    );
  });
});
