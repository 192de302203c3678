import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestDefect } from '@starling/packs/manifest-defect.ts';
import { packOf } from '@starling/swarm/torrent-info.ts';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packArtifact } from './pack.ts';

let folder: string;
let root: string;
let packFile: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-pack-'));
  root = join(folder, 'checkout');
  packFile = join(folder, 'pack');
  await mkdir(root);
});
afterEach(() => rm(folder, { recursive: true }));

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

async function write(path: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await mkdir(join(root, path, '..'), { recursive: true });
  await writeFile(join(root, path), content);
  await chmod(join(root, path), mode);
}

describe('packArtifact', () => {
  it('packs a single file under the name it is given', async () => {
    await write('out/hello-linux', 'hello', 0o755);
    const packed = await packArtifact({ root, artifactPath: 'out/hello-linux', binaryName: 'hello', packFile });
    expect(packed.tree.entries).toEqual([{ type: 'file', path: 'hello', executable: true, sizeBytes: 5 }]);
    expect(packed.newPack).toMatchObject({ digest: sha256('hello'), sizeBytes: 5, patchBytes: 0 });
    expect(packOf(packed.tree.packs[0]!).torrent.infoHash).toBe(packed.newPack?.infoHash);
    expect(await readFile(packFile, 'utf8')).toBe('hello');
  });

  it('packs a tree in the order of its paths', async () => {
    await write('dist/b/2', 'two');
    await write('dist/b-c', 'dash');
    await write('dist/b/1', 'one', 0o700);
    await write('dist/empty-file', '');
    await mkdir(join(root, 'dist/empty'));
    await symlink('b/1', join(root, 'dist/latest'));
    const { tree, newPack, fileCount } = await packArtifact({ root, artifactPath: 'dist', packFile });
    expect(tree.entries.map(({ type, path }) => `${type} ${path}`)).toEqual([
      'directory b',
      'file b-c',
      'file b/1',
      'file b/2',
      'directory empty',
      'file empty-file',
      'link latest',
    ]);
    expect(fileCount).toBe(4);
    expect(manifestDefect({ ...tree, build: 'b', details: new Uint8Array(0) })).toBeUndefined();
    expect(await readFile(packFile, 'utf8')).toBe('dashonetwo');
    expect(newPack?.digest).toBe(sha256('dashonetwo'));
  });

  it('leaves .git out of the checkout as a whole, but not out of a folder', async () => {
    await write('.git/config', 'secret');
    await write('a', 'a');
    await write('sub/.git/kept', 'kept');
    const { tree } = await packArtifact({ root, artifactPath: '.', packFile });
    expect(tree.entries.map(({ path }) => path)).toEqual(['a', 'sub', 'sub/.git', 'sub/.git/kept']);
  });

  it('gives the same pack for the same tree, whatever its times and the order it was written in', async () => {
    const fileName = fc.stringMatching(/^[a-z][a-z.-]{0,6}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fileName, fc.uint8Array({ minLength: 1, maxLength: 3_000 }), { minKeys: 1, maxKeys: 8 }),
        async (files) => {
          const packs = [];
          for (const names of [Object.keys(files), Object.keys(files).reverse()]) {
            await rm(join(root, 'tree'), { recursive: true, force: true });
            for (const name of names) {
              await write(`tree/${name}`, Buffer.from(files[name] as Uint8Array));
              await utimes(join(root, 'tree', name), names.length, Math.random() * 1e9);
            }
            packs.push(await packArtifact({ root, artifactPath: 'tree', packFile }));
          }
          expect(packs[1]).toEqual(packs[0]);
          expect(packs[0]?.newPack?.digest).toBe(sha256(await readFile(packFile)));
        },
      ),
      { numRuns: 20 },
    );
  });

  it('reads files larger than its buffer, and tells how far it is', async () => {
    const content = Buffer.alloc(3 * 1024 * 1024 + 7, 'x');
    await write('big', content);
    const seen: number[] = [];
    const { tree, streamBytes } = await packArtifact({
      root,
      artifactPath: 'big',
      packFile,
      onProgress: (bytesDone) => seen.push(bytesDone),
    });
    expect(streamBytes).toBe(content.length);
    expect(tree.chunks.length).toBeGreaterThan(1);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.at(-1)).toBe(content.length);
  });

  it.each<[string, string, RegExp, () => Promise<unknown>]>([
    [
      'a missing file',
      'out/app',
      /out\/app is not there .*; out has other, third/,
      async () => {
        await write('out/other', 'x');
        await write('out/third', 'x');
      },
    ],
    [
      'a missing folder',
      'out/app/deep',
      /; the checkout has a, b, c, d, e, f, g, h, i, j and 2 more/,
      async () => {
        for (const name of 'abcdefghijkl') await write(name, 'x');
      },
    ],
    ['a missing file of an empty checkout', 'app', /the checkout is empty/, async () => {}],
    ['an empty file', 'app', /no bytes: it is an empty file/, () => write('app', '')],
    ['an empty folder', 'dist', /no bytes: it is an empty folder/, () => mkdir(join(root, 'dist'))],
    [
      'empty files only',
      'dist',
      /only empty files/,
      async () => {
        await write('dist/a', '');
        await write('dist/b', '');
      },
    ],
    ['a path out of the checkout', '../pack', /not inside the checkout/, async () => {}],
    [
      'a link out of the checkout',
      'app',
      /app leads out of the checkout, to \//,
      () => symlink('/etc', join(root, 'app')),
    ],
    ['a folder behind a link out', 'app/passwd', /leads out of the checkout/, () => symlink('/etc', join(root, 'app'))],
    ['a broken link', 'app', /is a link to gone, which is not there/, () => symlink('gone', join(root, 'app'))],
    [
      'a link in the tree to outside',
      'dist',
      /the link deep\/up leads out of the artifact, to \.\.\/\.\./,
      async () => {
        await write('dist/deep/a', 'x');
        await symlink('../..', join(root, 'dist/deep/up'));
      },
    ],
    [
      'an absolute link in the tree',
      'dist',
      /the link abs leads out/,
      async () => {
        await write('dist/a', 'x');
        await symlink('/etc/passwd', join(root, 'dist/abs'));
      },
    ],
    [
      'a link that goes out by another',
      'dist',
      /the link z leads out/,
      async () => {
        await write('dist/a/b/x', 'x');
        await symlink('../..', join(root, 'dist/a/b/top'));
        await symlink('a/b/top/..', join(root, 'dist/z'));
      },
    ],
    [
      'a named pipe',
      'dist',
      /pipe in the artifact is a named pipe/,
      async () => {
        await write('dist/a', 'x');
        execFileSync('mkfifo', [join(root, 'dist/pipe')]);
      },
    ],
    ['a name with a backslash', 'dist', /cannot be a path in an artifact/, () => write('dist/a\\b', 'x')],
    [
      'a name that is not UTF-8',
      'dist',
      /is not UTF-8/,
      async () => {
        await mkdir(join(root, 'dist'));
        await writeFile(Buffer.concat([Buffer.from(join(root, 'dist/')), Buffer.from([0xff, 0xfe])]), 'x');
      },
    ],
  ])('refuses %s', async (_what, artifactPath, message, prepare) => {
    await prepare();
    const packing = packArtifact({ root, artifactPath, packFile });
    await expect(packing).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'build.artifact' });
    await expect(packing).rejects.toThrow(message);
  });

  it('refuses a file that grows while it is packed', async () => {
    await write('log', Buffer.alloc(2 * 1024 * 1024));
    let hasGrown = false;
    const packing = packArtifact({
      root,
      artifactPath: 'log',
      packFile,
      onProgress: () => {
        // At once, so that it is there before the file is looked at again.
        if (!hasGrown) appendFileSync(join(root, 'log'), 'more');
        hasGrown = true;
      },
    });
    await expect(packing).rejects.toThrow(/log changed while it was packed/);
  });

  it('stops when told to', async () => {
    await write('big', Buffer.alloc(3 * 1024 * 1024));
    const stop = new AbortController();
    const packing = packArtifact({
      root,
      artifactPath: 'big',
      packFile,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(packing).rejects.toThrow('enough');
  });

  it('names the folder that does not take the pack', async () => {
    await write('app', 'x');
    const packing = packArtifact({ root, artifactPath: 'app', packFile: '/dev/full' });
    await expect(packing).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('/dev') });
  });
});
