import { chmod, mkdir, mkdtemp, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planUpdate } from '@starling/packs/plan.ts';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fromPack, manifestKey, type SampleTree, sampleBuild } from '../testing/sample-build.ts';
import { findDrift } from './drift.ts';
import { repairDrift } from './drift-repair.ts';
import { ProjectLayout } from './layout.ts';
import { SlotStore } from './slot-store.ts';

const tree: SampleTree = {
  'bin/tool': { executable: '#!/bin/sh\necho hi\n' },
  'data/empty': null,
  'data/large.txt': 'x'.repeat(2 * 1024 * 1024 + 17),
  'lib/tool': { link: '../bin/tool' },
  'readme.txt': 'hello',
};
const build = sampleBuild('a1', tree);
const { manifest } = build;
const signal = new AbortController().signal;
let folder: string;
let slot: string;
let pack: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-drift-'));
  pack = join(folder, 'pack');
  await writeFile(pack, build.packBytes);
  const slots = new SlotStore('hello', new ProjectLayout(folder), new TrustedKeys('manifest', [manifestKey.publicPem]));
  expect(await slots.fill(build.target, manifest, fromPack(build, pack), signal)).toEqual([]);
  slot = slots.folder(build.target);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const find = async (rest: (bytes: number) => Promise<void> = async () => {}) =>
  Object.fromEntries(
    (await findDrift(slot, manifest, rest, signal)).drifts.map(({ entry, what }) => [entry.path, what]),
  );
const repair = async () => {
  const found = await findDrift(slot, manifest, async () => {}, signal);
  const prepare = async () => fromPack(build, pack);
  return repairDrift({ slotFolder: slot, manifest, found, prepare, signal });
};

it('finds nothing in a slot as it was made, and reads every byte to know', async () => {
  let bytes = 0;
  const found = await find(async (read) => {
    bytes += read;
  });
  expect(found).toEqual({});
  expect(bytes).toBe(build.packBytes.length);
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
  expect((await repair()).left).toEqual([]);
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
  expect((await repair()).left).toEqual([]);
  expect(await find()).toEqual({});
  expect(await readFile(join(outside, 'tool'), 'utf8')).toBe('of somebody else');
});

it('says what it cannot put right, because the pack is wrong as well', async () => {
  await rm(join(slot, 'readme.txt'));
  await writeFile(pack, Buffer.alloc(build.packBytes.length));
  const { left } = await repair();
  expect(left.map(({ entry, what }) => [entry.path, what])).toEqual([
    ['readme.txt', expect.stringMatching(/^is gone and cannot be put right: its bytes are not those/)],
  ]);
  expect(await find()).toEqual({ 'readme.txt': 'is gone' });
});

it('says which of several files in one chunk had changed, and leaves the others as they are', async () => {
  // As a worker cuts it: one chunk over the end of one file and all of the next.
  const [tool, readme] = ['#!/bin/sh\necho hi\n', 'hello'];
  const whole = sampleBuild('b2', { all: tool + readme });
  const joined = {
    entries: manifest.entries.filter(({ path }) => path === 'bin/tool' || path === 'readme.txt'),
    chunks: whole.manifest.chunks,
  };
  await writeFile(join(slot, 'readme.txt'), 'hullo');
  const { ino } = await stat(join(slot, 'bin/tool'));
  const found = await findDrift(slot, joined, async () => {}, signal);
  expect(found.drifts.map(({ entry }) => entry.path)).toEqual(['bin/tool', 'readme.txt']);
  await writeFile(pack, whole.packBytes);
  const plan = planUpdate({ target: { ...whole.manifest, ...joined }, bases: [] });
  const prepare = async () => ({ plan, bases: new Map(), packFiles: new Map([[whole.packSha256, pack]]) });
  const { drifts, left } = await repairDrift({ slotFolder: slot, manifest: joined, found, prepare, signal });
  expect([drifts.map(({ entry }) => entry.path), left]).toEqual([['readme.txt'], []]);
  expect(await readFile(join(slot, 'readme.txt'), 'utf8')).toBe(readme);
  expect((await stat(join(slot, 'bin/tool'))).ino).toBe(ino);
});
