import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineSteps } from '@starling/shared/words.ts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Journal } from './journal.ts';
import { initialSituation } from './situation.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-journal-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('gives back what was written last, in every state', async () => {
  const path = join(folder, 'journal.json');
  for (const state of machineSteps) {
    const written = { ...initialSituation('hello'), state, problem: `in ${state}\nwith "quotes"` };
    await new Journal(path).write(written);
    expect(await new Journal(path).read('hello')).toEqual({ situation: written, unreadable: false });
  }
});

it('keeps the old text when a write was cut short', async () => {
  const path = join(folder, 'journal.json');
  const written = { ...initialSituation('hello'), problem: 'kept' };
  await new Journal(path).write(written);
  await writeFile(`${path}.tmp`, '{"format":1,"proj');
  expect((await new Journal(path).read('hello')).situation).toEqual(written);
});

it('begins anew over a journal that cannot be read, and keeps it to look at', async () => {
  const path = join(folder, 'journal.json');
  await writeFile(path, '{"format":1,"project":"other"}');
  expect(await new Journal(path).read('hello')).toEqual({ situation: initialSituation('hello'), unreadable: true });
  expect(await readdir(folder)).toEqual(['journal.json.unreadable']);
});
