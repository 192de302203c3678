import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromPack, manifestKey, type SampleTree, sampleBuild } from '../testing/sample-build.ts';
import { currentSlotName } from './current-link.ts';
import { ProjectLayout } from './layout.ts';
import { SlotStore } from './slot-store.ts';

const tree: SampleTree = {
  'bin/tool': { executable: '#!/bin/sh\necho hi\n' },
  'data/large.txt': 'x'.repeat(3 * 1024 * 1024 + 17),
  'data/zero': '',
  'data/empty': null,
  'lib/tool': { link: '../bin/tool' },
  'readme.txt': 'hello',
};

let folder: string;
let slots: SlotStore;
let layout: ProjectLayout;
const signal = new AbortController().signal;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-slots-'));
  layout = new ProjectLayout(folder);
  slots = new SlotStore('hello', layout, new TrustedKeys('manifest', [manifestKey.publicPem]));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function fill(build: ReturnType<typeof sampleBuild>, packBytes = build.packBytes) {
  const packPath = join(folder, 'pack');
  await writeFile(packPath, packBytes);
  await slots.saveManifest(build.target, build.manifestBytes);
  return slots.fill(build.target, build.manifest, fromPack(build, packPath), signal);
}

describe('a slot that is filled', () => {
  it('restores files of any size, their modes, links and empty directories', async () => {
    const build = sampleBuild('a1', tree);
    await fill(build);
    const slot = slots.folder(build.target);
    expect(await slots.isReady(build.target)).toBe(true);
    expect((await stat(join(slot, 'bin/tool'))).mode & 0o777).toBe(0o755);
    expect((await stat(join(slot, 'readme.txt'))).mode & 0o777).toBe(0o644);
    expect(await readlink(join(slot, 'lib/tool'))).toBe('../bin/tool');
    expect(await readFile(join(slot, 'lib/tool'), 'utf8')).toContain('echo hi');
    expect(await readdir(join(slot, 'data/empty'))).toEqual([]);
    expect((await stat(join(slot, 'data/zero'))).size).toBe(0);
    const digest = createHash('sha256')
      .update(await readFile(join(slot, 'data/large.txt')))
      .digest('hex');
    expect(digest).toBe(
      createHash('sha256')
        .update(tree['data/large.txt'] as string)
        .digest('hex'),
    );
    expect((await readdir(layout.slots)).some((name) => name.endsWith('.partial'))).toBe(false);
  });

  it('refuses a pack with one wrong byte, or of another length, and leaves no slot', async () => {
    const build = sampleBuild('a1', tree);
    const wrong = Buffer.from(build.packBytes);
    wrong[100] = (wrong[100] ?? 0) ^ 1;
    for (const bytes of [wrong, build.packBytes.subarray(0, 50)]) {
      const failures = await fill(build, bytes);
      expect(failures.map(({ pack }) => pack)).toEqual([build.packSha256]);
      expect(await slots.isReady(build.target)).toBe(false);
    }
  });

  it('begins again over what an earlier, killed attempt left', async () => {
    const build = sampleBuild('a1', tree);
    expect(await fill(build, Buffer.alloc(build.packBytes.length))).not.toEqual([]);
    await fill(build);
    expect(await readFile(join(slots.folder(build.target), 'readme.txt'), 'utf8')).toBe('hello');
  });

  it('stops when it is told to', async () => {
    const build = sampleBuild('a1', tree);
    await slots.saveManifest(build.target, build.manifestBytes);
    await writeFile(join(folder, 'pack'), build.packBytes);
    const update = fromPack(build, join(folder, 'pack'));
    await expect(slots.fill(build.target, build.manifest, update, AbortSignal.abort())).rejects.toThrow('aborted');
  });
});

describe('a manifest', () => {
  const build = sampleBuild('a1', tree);
  it.each([
    [
      'that is not the one the key names',
      { ...build.target, manifestDigest: 'f'.repeat(64) },
      build.manifestBytes,
      'have the digest',
    ],
    [
      'of another build',
      { ...build.target, build: 'hello@ffffffffffff' },
      build.manifestBytes,
      'it is of the build hello@a10000000000',
    ],
  ])('is refused %s', (_, target, bytes, reason) => {
    expect(() => slots.checkManifest(target, bytes)).toThrow(reason);
  });

  it('is refused when it is signed by another, or for another project', async () => {
    const { generateSigningKey } = await import('@starling/shared/signing.ts');
    const foreign = sampleBuild('a1', tree, {}, { signer: generateSigningKey().privatePem });
    expect(() => slots.checkManifest(foreign.target, foreign.manifestBytes)).toThrow('is not trusted here');
    const other = sampleBuild('a1', tree, {}, { project: 'other' });
    expect(() => slots.checkManifest(other.target, other.manifestBytes)).toThrow('it is of the project other');
  });

  it('is not trusted from disk either', async () => {
    await fill(build);
    const changed = Buffer.from(build.manifestBytes);
    changed.write('hallo', changed.indexOf('hello'));
    await writeFile(layout.manifest(build.target), changed);
    expect(await slots.isReady(build.target)).toBe(false);
  });
});

describe('slots', () => {
  it('are made current by a relative link, and pruned but for those that are kept', async () => {
    const [one, two] = [sampleBuild('a1', tree), sampleBuild('b2', tree)];
    for (const build of [one, two]) await fill(build);
    for (const build of [one, two, one]) await slots.makeCurrent(build.target);
    expect((await lstat(layout.current)).isSymbolicLink()).toBe(true);
    expect(await currentSlotName(layout.current)).toMatch(/^a1/);
    expect(await slots.packs()).toEqual([...new Set([one.packSha256, two.packSha256])]);
    expect(await slots.prune([one.target])).toHaveLength(2);
    expect(await slots.isReady(one.target)).toBe(true);
    expect(await slots.isReady(two.target)).toBe(false);
    await expect(slots.makeCurrent(two.target)).rejects.toThrow('is gone');
    await slots.makeCurrent(null);
    expect(await currentSlotName(layout.current)).toBeUndefined();
  });
});
