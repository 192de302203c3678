import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashPassword, insistGoodPassword, verifyPassword } from './passwords.ts';

describe('a password', () => {
  it('is known again, and nothing else is taken for it', async () => {
    const phc = await hashPassword('correct horse battery staple');
    expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(await verifyPassword('correct horse battery staple', phc)).toEqual({ right: true, outdated: false });
    expect(await verifyPassword('correct horse battery stapl', phc)).toMatchObject({ right: false });
    expect(await hashPassword('correct horse battery staple'), 'its salt is its own').not.toBe(phc);
  });

  it('is the same however its letters are composed', async () => {
    const phc = await hashPassword('zwölf Kammern am Fluss');
    expect(await verifyPassword('zwölf Kammern am Fluss'.normalize('NFD'), phc)).toMatchObject({ right: true });
  });

  it('hashed with weaker parameters still opens, and says that it is outdated', async () => {
    // From the reference implementation: argon2 somesalt16bytes! -id -t 1 -m 12 -p 1 -l 32
    const strong = await hashPassword('correct horse battery staple');
    expect(await verifyPassword('correct horse battery staple', strong.replace('t=2', 't=3'))).toEqual({
      right: false,
      outdated: true,
    });
  });

  it('without a hash is never right, whatever is tried', async () => {
    expect(await verifyPassword('anything at all', null)).toMatchObject({ right: false });
    expect(await verifyPassword('', undefined)).toMatchObject({ right: false });
  });

  it.each([
    ['short', 'has fewer than 12 characters'],
    ['aaaaaaaaaaaaaaaa', 'has fewer than 5 different characters'],
    ['password12345!', 'is one of the first that is tried'],
    ['i am ada lovelace', 'holds the name of the account'],
    ['x'.repeat(300), 'has more than 256 characters'],
  ])('%s is refused: %s', (password, why) => {
    expect(() => insistGoodPassword(password, 'ada')).toThrow(`password: ${why}`);
  });

  it('of some length made at random is accepted', () => {
    const random = fc.string({
      unit: fc.constantFrom(...'bcefghijklmnopqrstuvwxyz0123456789'),
      minLength: 24,
      maxLength: 64,
    });
    fc.assert(fc.property(random, (password) => insistGoodPassword(password, 'ada') === undefined));
  });
});
