import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Cipher, TokenVault } from './token-vault.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-vault-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const flip = (bytes: Buffer) => Buffer.from(bytes.map((byte) => byte ^ 0x5a));
const cipher = (facts: Partial<Cipher> = {}): Cipher => ({
  isEncryptionAvailable: () => true,
  encryptString: (text) => flip(Buffer.from(text)),
  decryptString: (encrypted) => flip(encrypted).toString(),
  ...facts,
});

it('keeps tokens encrypted over a restart, each with its profile', async () => {
  const path = join(folder, 'tokens.json');
  const vault = await TokenVault.open(path, cipher());
  await vault.set('a', 'stl_secret');
  await vault.set('b', 'stl_other');
  await vault.forget('b');
  expect(await readFile(path, 'utf8')).not.toContain('stl_');
  const again = await TokenVault.open(path, cipher());
  expect([again.get('a'), again.get('b')]).toEqual(['stl_secret', undefined]);
});

it.each([
  ['no keyring', { isEncryptionAvailable: () => false }],
  ['only the fixed password of Linux', { getSelectedStorageBackend: () => 'basic_text' }],
])('with %s keeps them in memory only, and says so', async (_, facts) => {
  const vault = await TokenVault.open(join(folder, 'tokens.json'), cipher(facts));
  await vault.set('a', 'stl_secret');
  expect(vault.get('a')).toBe('stl_secret');
  expect(vault.whyNotKept).toContain('memory only');
  expect(await readdir(folder)).toEqual([]);
});

it('does without a token that another keyring encrypted', async () => {
  const path = join(folder, 'tokens.json');
  await (await TokenVault.open(path, cipher())).set('a', 'stl_secret');
  const foreign = cipher({
    decryptString: () => {
      throw new Error('wrong key');
    },
  });
  expect((await TokenVault.open(path, foreign)).get('a')).toBeUndefined();
});
