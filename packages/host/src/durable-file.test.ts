import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readIfThere, writeDurably } from './durable-file.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-durable-'));
  path = join(folder, 'file');
});
afterEach(() => rm(folder, { recursive: true }));

it('takes the place of what was there, and of what a killed writer left', async () => {
  expect(await readIfThere(path)).toBeUndefined();
  await writeDurably(path, 'old');
  await writeFile(`${path}.tmp`, 'half of something that was much longer');
  await writeDurably(path, Buffer.from('new'));
  expect(await readIfThere(path)).toBe('new');
  expect(await readdir(folder)).toEqual(['file']);
});

it('leaves the old content when the new cannot be written', async () => {
  await writeDurably(path, 'old');
  const unwritable = { length: 3 } as unknown as Uint8Array;
  await expect(writeDurably(path, unwritable)).rejects.toThrow();
  expect(await readFile(path, 'utf8')).toBe('old');
});

it('does not take another defect for a missing file', async () => {
  await expect(readIfThere(folder)).rejects.toMatchObject({ code: 'EISDIR' });
});
