import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AgentCredential,
  answerChallenge,
  hashOfAgentKey,
  holdsKey,
  isAgentKey,
  publicKeyOf,
  readCredential,
} from './agent-identity.ts';
import { canonicalJson } from './canonical-json.ts';
import { generateSigningKey, Signer, TrustedKeys } from './signing.ts';

const control = generateSigningKey();
const signer = new Signer('agent-credential', control.privatePem);
const trusted = new TrustedKeys('agent-credential', [control.publicPem]);
const agent = generateSigningKey();
const issue = (machine = 'm1', publicKey = publicKeyOf(agent.privatePem)): AgentCredential =>
  signer.sign({ format: 1 as const, machine, region: 'eu', publicKey, issuedAt: 1_700_000_000_000 });
const parse = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
};

describe('a credential', () => {
  it('is read as it was issued, with members that a later version added', () => {
    expect(readCredential(issue(), trusted)).toEqual(issue());
    const later = signer.sign({ ...issue(), signature: undefined, rack: 'r1' });
    expect(readCredential(JSON.parse(canonicalJson(later)), trusted)).toMatchObject({ machine: 'm1' });
  });

  it('is refused with any one byte changed', () => {
    const bytes = Buffer.from(canonicalJson(issue()));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (index, change) => {
        const changed = Buffer.from(bytes);
        changed[index]! ^= change;
        expect(typeof readCredential(parse(changed), trusted)).toBe('string');
      }),
      { numRuns: 3_000 },
    );
  });

  it('is refused with any one bit changed', () => {
    const bytes = Buffer.from(canonicalJson(issue()));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(typeof readCredential(parse(changed), trusted), `bit ${bit}`).toBe('string');
    }
  });

  it('is refused when another key signed it, or the same key signed it as something else', () => {
    const other = new TrustedKeys('agent-credential', [generateSigningKey().publicPem]);
    expect(readCredential(issue(), other)).toContain('is not trusted here');
    const { signature: _, ...unsigned } = issue();
    const manifest = new Signer('manifest', control.privatePem).sign(unsigned);
    expect(readCredential(manifest, trusted)).toBe('its signature does not match its content');
    expect(readCredential(unsigned, trusted)).toContain('signature');
  });
});

describe('the answer to a challenge', () => {
  const challenge = { hub: 'hub-eu', nonce: 'n1' };

  it('proves the key of the credential', () => {
    expect(holdsKey(issue(), challenge, answerChallenge(agent.privatePem, 'm1', challenge))).toBe(true);
  });

  it('proves nothing for another nonce, hub, machine or key', () => {
    const answer = answerChallenge(agent.privatePem, 'm1', challenge);
    expect(holdsKey(issue(), { ...challenge, nonce: 'n2' }, answer)).toBe(false);
    expect(holdsKey(issue(), { ...challenge, hub: 'hub-us' }, answer)).toBe(false);
    expect(holdsKey(issue('m2'), challenge, answer)).toBe(false);
    const other = generateSigningKey();
    expect(holdsKey(issue('m1', publicKeyOf(other.privatePem)), challenge, answer)).toBe(false);
    expect(holdsKey(issue(), challenge, answerChallenge(other.privatePem, 'm1', challenge))).toBe(false);
    expect(holdsKey(issue('m1', 'no key'), challenge, answer)).toBe(false);
  });
});

describe('a key', () => {
  it('has one spelling', () => {
    const key = publicKeyOf(agent.privatePem);
    expect(isAgentKey(key)).toBe(true);
    for (const wrong of ['', 'AAAA', `${key}=`, key.replace(/=+$/, ''), ` ${key}`])
      expect(isAgentKey(wrong)).toBe(false);
  });

  it('has a hash that no secret has', () => {
    expect(hashOfAgentKey('x')).toMatch(/^[0-9a-f]{64}$/);
    expect(hashOfAgentKey('x')).not.toBe(hashOfAgentKey('y'));
  });
});
