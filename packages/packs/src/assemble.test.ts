import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assembleTree } from './assemble.ts';
import { chunkTree } from './chunk-tree.ts';
import type { StreamFile } from './file-stream.ts';
import { type MadePack, makePack } from './make-pack.ts';
import type { BuildManifest, TreeEntry } from './manifest.ts';
import { decodeManifest, encodeManifest } from './manifest-codec.ts';
import { planUpdate } from './plan.ts';
import { changed, digestOf, someBytes } from './test-bytes.ts';
import { listFiles } from './tree-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-packs-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Contents = Record<string, Buffer>;

async function tree(name: string, contents: Contents): Promise<string> {
  for (const [path, bytes] of Object.entries(contents)) {
    await mkdir(dirname(join(folder, name, path)), { recursive: true });
    await writeFile(join(folder, name, path), bytes);
  }
  return join(folder, name);
}

interface Made {
  manifest: BuildManifest;
  manifestDigest: string;
  made: MadePack;
  files: StreamFile[];
}

async function build(name: string, contents: Contents, previous?: Made, threads = 1): Promise<Made> {
  const files = await listFiles(await tree(name, contents));
  const packFile = join(folder, `${name}.pack`);
  const known = new Map(
    previous?.manifest.chunks.map(({ digest, pack, ...place }) => [
      digest,
      { ...place, pack: previous.manifest.packs[pack]!.digest },
    ]),
  );
  const made = await makePack({
    files,
    known: (digest) => known.get(digest),
    packFile,
    threads,
    ...(previous ? { previous: { files: previous.files } } : {}),
  });
  const packs = [...(previous?.manifest.packs ?? [])];
  if (made.pack)
    packs.push({ digest: made.pack.digest, sizeBytes: made.pack.sizeBytes, torrentInfo: new Uint8Array(0) });
  const entries: TreeEntry[] = files.map((file) => ({
    type: 'file',
    path: file.name,
    executable: file.name === 'bin/app',
    sizeBytes: file.sizeBytes,
  }));
  const manifest: BuildManifest = {
    build: name,
    details: new Uint8Array(0),
    entries,
    packs,
    chunks: made.chunks.map((chunk) => ({
      ...chunk,
      pack: chunk.pack === '' ? packs.length - 1 : packs.findIndex(({ digest }) => digest === chunk.pack),
    })),
    ancestors: previous
      ? [
          {
            build: previous.manifest.build,
            manifestDigest: previous.manifestDigest,
            streamBytes: previous.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
          },
        ]
      : [],
    patches: made.patches.map((patch) => ({ ...patch, pack: packs.length - 1, ancestor: 0 })),
  };
  const bytes = encodeManifest(manifest);
  await writeFile(join(folder, `${name}.manifest`), bytes);
  return { manifest: decodeManifest(bytes).manifest, manifestDigest: digestOf(bytes), made, files };
}

const program = someBytes(3_000_000, 1);
const before: Contents = { 'bin/app': program, 'lib/a.txt': Buffer.from('the same'), 'lib/b': someBytes(700_000, 2) };
const after: Contents = {
  'bin/app': changed(changed(program, { kind: 'relink', at: 0.1, share: 0.5, seed: 3 }), {
    kind: 'insert',
    at: 0.7,
    share: 0.001,
    seed: 4,
  }),
  'lib/a.txt': Buffer.from('the same'),
  'lib/renamed': someBytes(700_000, 2),
  empty: Buffer.alloc(0),
};

function update(old: Made, target: Made, damaged?: Set<string>) {
  const plan = planUpdate({
    target: target.manifest,
    ancestors: new Map([[old.manifestDigest, old.manifest]]),
    bases: [{ name: 'old', chunks: old.manifest.chunks, manifestDigest: old.manifestDigest }],
    ...(damaged ? { damaged } : {}),
  });
  return {
    plan,
    entries: target.manifest.entries,
    folder: join(folder, 'made'),
    bases: new Map([['old', old.files]]),
    packFiles: new Map(
      [old, target].map(({ made, manifest }) => [made.pack!.digest, join(folder, `${manifest.build}.pack`)]),
    ),
    threads: 1,
  };
}

async function expectTree(path: string, contents: Contents): Promise<void> {
  const found = (await readdir(path, { recursive: true, withFileTypes: true })).filter((entry) => !entry.isDirectory());
  expect(found.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1)).toSorted()).toEqual(
    Object.keys(contents).toSorted(),
  );
  for (const [name, bytes] of Object.entries(contents))
    expect((await readFile(join(path, name))).equals(bytes)).toBe(true);
}

describe('chunkTree and makePack', () => {
  it('give the same for the same tree, however many threads and in whatever segments', async () => {
    const files = await listFiles(await tree('tree', before));
    const one = await chunkTree(files, { threads: 1 });
    const many = await chunkTree(files, { threads: 2, segmentBytes: 333_333 });
    expect(many.chunks).toEqual(one.chunks);
    expect([...many.landmarks.positions]).toEqual([...one.landmarks.positions]);
    const whole = Buffer.concat(files.map(({ name }) => before[name]!));
    let at = 0;
    for (const { digest, length } of one.chunks) expect(digestOf(whole.subarray(at, (at += length)))).toBe(digest);
    expect(at).toBe(whole.length);
    const packs = [await build('a', before, undefined, 1), await build('b', before, undefined, 2)];
    expect(packs[1]!.made).toEqual(packs[0]!.made);
  });

  it('store what is new only, patches first, and nothing for the same tree', async () => {
    const old = await build('old', before);
    const target = await build('target', after, old);
    const { pack, chunks, patches } = target.made;
    expect(digestOf(await readFile(join(folder, 'target.pack')))).toBe(pack!.digest);
    const isNew = chunks.filter((chunk) => chunk.pack === '');
    expect(isNew.length).toBeLessThan(chunks.length);
    expect(Math.min(...isNew.map(({ offset }) => offset))).toBe(pack!.patchBytes);
    expect(patches.length).toBeGreaterThan(0);
    const again = await build('again', after, target);
    expect(again.made.pack).toBeUndefined();
    expect((await readdir(folder)).filter((name) => name.startsWith('again.pack'))).toEqual([]);
  });

  it('says when the disk does not take the pack', async () => {
    const files = await listFiles(await tree('tree', before));
    const packing = makePack({ files, known: () => undefined, packFile: join(folder, 'missing', 'pack'), threads: 1 });
    await expect(packing).rejects.toThrow(/missing/);
  });

  it('end with a file that became shorter, and when told to', async () => {
    const files = await listFiles(await tree('tree', before));
    await truncate(files[0]!.path, 1_000);
    await expect(chunkTree(files, { threads: 1 })).rejects.toThrow(/were expected/);
    const stop = AbortSignal.abort(new Error('enough'));
    await expect(chunkTree(files, { threads: 1, signal: stop })).rejects.toThrow('enough');
  });
});

describe('assembleTree', () => {
  it('makes the tree from the one before and few bytes', async () => {
    const old = await build('old', before);
    const target = await build('target', after, old);
    const request = update(old, target);
    expect(request.plan.bytesToFetch).toBeLessThan(program.length * 0.1);
    expect(await assembleTree(request)).toEqual({ failures: [], bytesWritten: program.length + 3_000 + 8 + 700_000 });
    await expectTree(request.folder, after);
    expect((await stat(join(request.folder, 'bin/app'))).mode & 0o777).toBe(0o755);
    expect((await stat(join(request.folder, 'lib/a.txt'))).mode & 0o777).toBe(0o644);
  });

  it('goes on with what an earlier try left, whatever that is', async () => {
    const old = await build('old', before);
    const target = await build('target', after, old);
    const request = update(old, target);
    await assembleTree(request);
    // Some of it is wrong now, and there are things that do not belong there; through a link nothing must be written.
    const secret = join(folder, 'secret');
    await writeFile(secret, 'secret');
    await truncate(join(request.folder, 'bin/app'), 2_000_000);
    await rm(join(request.folder, 'lib/a.txt'));
    await symlink(secret, join(request.folder, 'lib/a.txt'));
    await rm(join(request.folder, 'empty'));
    await mkdir(join(request.folder, 'empty/nested'), { recursive: true });
    await writeFile(join(request.folder, 'stray'), 'x');
    const { failures, bytesWritten } = await assembleTree(request);
    expect(failures).toEqual([]);
    expect(bytesWritten).toBeLessThan(1_800_000);
    await expectTree(request.folder, after);
    expect(await readFile(secret, 'utf8')).toBe('secret');
    expect((await assembleTree(request)).bytesWritten).toBe(0);
  });

  it('makes links and folders last, and a tree that was read-only again', async () => {
    const target = await build('target', { 'bin/app': Buffer.from('x'.repeat(100)) });
    const entries: TreeEntry[] = [
      ...target.manifest.entries,
      { type: 'link', path: 'current', target: 'bin/app' },
      { type: 'directory', path: 'data/empty' },
    ];
    const plan = planUpdate({ target: target.manifest, bases: [] });
    const request = {
      plan,
      entries,
      folder: join(folder, 'made'),
      bases: new Map(),
      packFiles: new Map([[target.made.pack!.digest, join(folder, 'target.pack')]]),
      threads: 1,
    };
    for (let time = 0; time < 2; time += 1) {
      await assembleTree(request);
      expect(await readlink(join(folder, 'made/current'))).toBe('bin/app');
      expect((await stat(join(folder, 'made/data/empty'))).isDirectory()).toBe(true);
    }
  });

  it('reports what a base has no more, and is complete after a new plan', async () => {
    const old = await build('old', before);
    const target = await build('target', after, old);
    await chmod(join(folder, 'old/bin/app'), 0o644);
    const damagedBytes = Buffer.from(program);
    damagedBytes[100_000]! ^= 1;
    await writeFile(join(folder, 'old/bin/app'), damagedBytes);
    const first = await assembleTree(update(old, target));
    expect(first.failures).toMatchObject([{ base: expect.stringMatching(/^old:\d+$/) }]);
    const second = await assembleTree(update(old, target, new Set(first.failures.map(({ base }) => base!))));
    expect(second.failures).toEqual([]);
    expect(second.bytesWritten).toBeLessThan(1_000_000);
    await expectTree(join(folder, 'made'), after);
  });

  it('says when the disk does not take the tree, and stops when told to', async () => {
    const target = await build('target', before);
    const plan = planUpdate({ target: target.manifest, bases: [] });
    const packFiles = new Map([[target.made.pack!.digest, join(folder, 'target.pack')]]);
    const request = {
      plan,
      entries: target.manifest.entries,
      folder: join(folder, 'made'),
      bases: new Map(),
      packFiles,
    };
    const inFile = assembleTree({ ...request, folder: join(folder, 'target.pack', 'made') });
    await expect(inFile).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const stop = new AbortController();
    const stopped = assembleTree({
      ...request,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
    await assembleTree(request);
    await expectTree(request.folder, before);
  });

  it('ends with the right tree after it was killed at any moment', async () => {
    const old = await build('old', before);
    const target = await build('target', after, old);
    const request = update(old, target);
    const script = join(folder, 'assemble.mjs');
    await writeFile(
      script,
      `import { deserialize } from 'node:v8';
       import { readFileSync } from 'node:fs';
       const { assembleTree } = await import(${JSON.stringify(new URL('./assemble.ts', import.meta.url).href)});
       process.stdout.write('started\\n');
       const onProgress = (done) => process.stdout.write(done + '\\n');
       await assembleTree({ ...deserialize(readFileSync(process.argv[2])), onProgress, threads: 1 });`,
    );
    const { serialize } = await import('node:v8');
    await writeFile(join(folder, 'request'), serialize(request));
    for (const linesBeforeTheEnd of [1, 2, 3]) {
      const child = spawn(process.execPath, [script, join(folder, 'request')], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await killAfterLines(child, linesBeforeTheEnd);
    }
    expect((await assembleTree(request)).failures).toEqual([]);
    await expectTree(request.folder, after);
  });
});

async function killAfterLines(child: ChildProcess, count: number): Promise<void> {
  let lines = 0;
  child.stdout!.on('data', (bytes: Buffer) => {
    lines += bytes.toString().split('\n').length - 1;
    if (lines >= count) child.kill('SIGKILL');
  });
  await once(child, 'exit');
}
