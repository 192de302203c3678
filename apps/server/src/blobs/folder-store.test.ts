import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeBlobStore } from './blob-store-contract.ts';
import { bytesSource } from './file-source.ts';
import { openFolderStore } from './folder-store.ts';

const partSizeBytes = 64 * 1024;

describeBlobStore('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-blobs-'));
  const file = join(folder, 'a-file');
  await writeFile(file, 'no folder');
  return {
    partSizeBytes,
    open: () => openFolderStore(join(folder, 'store'), { partSizeBytes }),
    openBroken: () => openFolderStore(file),
    close: () => rm(folder, { recursive: true }),
  };
});

describe('a folder store', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-blobs-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('takes over what a killed writer left, up to its last durable part', async () => {
    const bytes = Buffer.alloc(partSizeBytes * 3, 'a');
    const script = `
      const { openFolderStore } = await import(${JSON.stringify(join(import.meta.dirname, 'folder-store.ts'))});
      const { Readable } = await import('node:stream');
      const part = (start, end) => (async function* () {
        if (start === 2 * ${partSizeBytes}) { yield Buffer.alloc(100, 'a'); console.log('writing'); await new Promise(() => setInterval(() => {}, 1000)); }
        yield Buffer.alloc(end - start, 'a');
      })();
      const source = { sizeBytes: ${bytes.length}, read: (start, end) => Readable.from(part(start, end)) };
      await openFolderStore(${JSON.stringify(folder)}, { partSizeBytes: ${partSizeBytes} }).upload('blob', source);`;
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(writer.stdout, 'data');
    const store = openFolderStore(folder, { partSizeBytes });

    // While it lives, its file is its own.
    await store.upload('blob', bytesSource(bytes));
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toHaveLength(1);
    await store.delete('blob');
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toHaveLength(1);

    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const starts: number[] = [];
    const source = bytesSource(bytes);
    await store.upload('blob', {
      sizeBytes: source.sizeBytes,
      read(start, end) {
        starts.push(start);
        return source.read(start, end);
      },
    });
    expect(starts[0]).toBeGreaterThanOrEqual(partSizeBytes);
    expect((await readFile(join(folder, 'blob'))).equals(bytes)).toBe(true);
    expect(await readdir(folder)).toEqual(['blob']);
  });

  it('does not take the partial file of a blob whose name begins the same', async () => {
    await writeFile(join(folder, 'blob.old.partial'), 'other bytes, more than the blob has');
    await openFolderStore(folder).upload('blob', bytesSource(Buffer.from('bytes')));
    expect((await readdir(folder)).sort()).toEqual(['blob', 'blob.old.partial']);
  });

  it('begins anew where what was left is longer than the blob', async () => {
    await writeFile(join(folder, 'blob.partial'), Buffer.alloc(partSizeBytes * 4, 'z'));
    await openFolderStore(folder, { partSizeBytes }).upload('blob', bytesSource(Buffer.from('bytes')));
    expect(await readFile(join(folder, 'blob'), 'utf8')).toBe('bytes');
  });

  it('does not take a folder for a blob', async () => {
    await mkdir(join(folder, 'packs'));
    const store = openFolderStore(folder);
    expect(await store.sizeOf('packs')).toBeUndefined();
    await expect(store.read('packs')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
