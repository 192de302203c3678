import { chmod, mkdir, mkdtemp, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from '@starling/shared/manifest.ts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type SampleTree, sampleBuild } from '../testing/sample-build.ts';
import { findDrift, repairDrift } from './drift.ts';
import { unpack } from './unpack.ts';

const tree: SampleTree = {
  'bin/tool': { executable: '#!/bin/sh\necho hi\n' },
  'data/empty': null,
  'data/large.txt': 'x'.repeat(2 * 1024 * 1024 + 17),
  'lib/tool': { link: '../bin/tool' },
  'readme.txt': 'hello',
};
const build = sampleBuild('a1', tree);
const manifest = JSON.parse(build.manifestBytes.toString()) as Manifest;
const signal = new AbortController().signal;
let folder: string;
let slot: string;
let pack: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-drift-'));
  slot = join(folder, 'slot');
  pack = join(folder, 'pack');
  await writeFile(pack, build.packBytes);
  await unpack(pack, manifest, slot, signal);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const find = async (rest: (bytes: number) => Promise<void> = async () => {}) =>
  Object.fromEntries(
    (await findDrift(slot, manifest.entries, rest, signal)).map(({ entry, what }) => [entry.path, what]),
  );
const repair = async () =>
  repairDrift(pack, manifest, slot, await findDrift(slot, manifest.entries, async () => {}, signal), signal);

it('finds nothing in a slot as it was made, and reads every byte to know', async () => {
  let bytes = 0;
  const found = await find(async (read) => {
    bytes += read;
  });
  expect(found).toEqual({});
  expect(bytes).toBe(manifest.pack.sizeBytes);
});

it('finds what was changed, removed or replaced, puts it right, and leaves alone what it does not know', async () => {
  await writeFile(join(slot, 'readme.txt'), 'hullo');
  await chmod(join(slot, 'bin/tool'), 0o644);
  await rm(join(slot, 'lib/tool'));
  await symlink('/etc/passwd', join(slot, 'lib/tool'));
  await rm(join(slot, 'data/large.txt'));
  await mkdir(join(slot, 'data/large.txt/deep'), { recursive: true });
  await rm(join(slot, 'data/empty'), { recursive: true });
  await writeFile(join(slot, 'written-by-the-program'), 'state');
  expect(await find()).toEqual({
    'bin/tool': 'has another mode',
    'data/empty': 'is gone',
    'data/large.txt': 'is no file any more',
    'lib/tool': 'leads elsewhere',
    'readme.txt': 'was changed',
  });
  expect(await repair()).toEqual([]);
  expect(await find()).toEqual({});
  expect((await stat(join(slot, 'bin/tool'))).mode & 0o777).toBe(0o755);
  expect(await readlink(join(slot, 'lib/tool'))).toBe('../bin/tool');
  expect(await readFile(join(slot, 'written-by-the-program'), 'utf8')).toBe('state');
});

it('writes nothing through a link that stands where a folder was', async () => {
  const outside = join(folder, 'outside');
  await rename(join(slot, 'bin'), outside);
  await symlink(outside, join(slot, 'bin'));
  await writeFile(join(outside, 'tool'), 'of somebody else');
  expect(await find()).toMatchObject({ 'bin/tool': 'is gone' });
  expect(await repair()).toEqual([]);
  expect(await find()).toEqual({});
  expect(await readFile(join(outside, 'tool'), 'utf8')).toBe('of somebody else');
});

it('says what it cannot put right, because the pack is wrong as well', async () => {
  await rm(join(slot, 'readme.txt'));
  await writeFile(pack, Buffer.alloc(build.packBytes.length));
  const left = await repair();
  expect(left.map(({ entry, what }) => [entry.path, what])).toEqual([
    ['readme.txt', 'is gone and cannot be put right: the pack is wrong too'],
  ]);
  expect(await find()).toEqual({ 'readme.txt': 'is gone' });
});
