import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ProfileStore } from './profile-store.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-profiles-'));
  path = join(folder, 'servers.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (url = 'http://127.0.0.1:4600') => ProfileStore.open(path, url);

it('offers this computer first, and follows its port', async () => {
  const store = await open('http://127.0.0.1:4601/ignored?x=1');
  expect(store.selected).toEqual({
    id: 'local',
    name: 'This computer',
    url: 'http://127.0.0.1:4601',
    production: false,
  });
  await store.save({ name: 'Staging', url: 'https://staging.example.org', production: false });
  expect((await open('http://127.0.0.1:4999')).selected?.url).toBe('http://127.0.0.1:4999');
});

it('keeps what was saved over a restart', async () => {
  const store = await open();
  const { profile } = await store.save({
    name: ' Production ',
    url: 'https://user:pw@starling.example.org/x',
    production: true,
  });
  await store.select(profile.id);
  const again = await open();
  expect(again.selected).toEqual({
    id: profile.id,
    name: 'Production',
    url: 'https://starling.example.org',
    production: true,
  });
  expect(await readFile(path, 'utf8')).not.toContain('pw');
});

it('says when the address of a server changed, so that its token is not sent elsewhere', async () => {
  const store = await open();
  const { profile } = await store.save({ name: 'a', url: 'https://a.example.org', production: false });
  expect((await store.save({ ...profile, name: 'b' })).moved).toBe(false);
  expect((await store.save({ ...profile, url: 'https://b.example.org' })).moved).toBe(true);
});

it('refuses twins, strangers, addresses that are no web address, and removing the last one', async () => {
  const store = await open();
  await store.save({ name: 'a', url: 'https://a.example.org', production: false });
  await expect(store.save({ name: 'b', url: 'https://a.example.org/', production: false })).rejects.toThrow('as “a”');
  await expect(store.save({ name: 'b', url: 'file:///etc/passwd', production: false })).rejects.toThrow('http');
  await expect(
    store.save({ id: 'nobody', name: 'b', url: 'https://b.example.org', production: false }),
  ).rejects.toThrow();
  await expect(store.select('nobody')).rejects.toThrow('no longer');
  await store.remove('local');
  await expect(store.remove(store.profiles[0]!.id)).rejects.toThrow('last');
});

it('starts afresh from a file that is broken', async () => {
  await writeFile(path, '{"profiles": "many"');
  expect((await open()).profiles).toHaveLength(1);
});
