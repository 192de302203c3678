import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { identityPath, openIdentity, readIdentity } from './kept-identity.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-identity-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));
const path = () => identityPath(folder, 'hub', 'hub-eu');

it('is made once, kept for its owner alone, and found again with its proof', async () => {
  expect(await readIdentity(path())).toBeUndefined();
  const made = await openIdentity(path(), () => 's1');
  expect([made.secret, made.proof]).toEqual(['s1', null]);
  expect((await stat(path())).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'identity'))).mode & 0o777).toBe(0o700);
  await made.keep({ region: 'eu' });
  expect(made.proof).toEqual({ region: 'eu' });
  const again = await openIdentity(path(), () => 's2');
  expect([again.secret, again.proof]).toEqual(['s1', { region: 'eu' }]);
  await again.keep(null);
  expect(await readIdentity(path())).toEqual({ secret: 's1', proof: null });
});

it('is on disk before it is known to anybody', async () => {
  const opened = openIdentity(path(), () => 's1');
  expect(JSON.parse(await opened.then(() => readFile(path(), 'utf8')))).toEqual({ secret: 's1', proof: null });
});

it.each(['', 'no json', '{}', '{"secret":"","proof":null}', '[]', 'null'])('is made anew over %j', async (text) => {
  await openIdentity(path(), () => 's1');
  await writeFile(path(), text);
  expect(await readIdentity(path())).toBeUndefined();
  expect((await openIdentity(path(), () => 's2')).secret).toBe('s2');
});

it('says which file cannot be written', async () => {
  await writeFile(join(folder, 'identity'), 'a file in the way');
  await expect(openIdentity(path(), () => 's1')).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('hub-hub-eu.json'),
  });
});
