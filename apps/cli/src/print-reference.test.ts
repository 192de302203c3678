import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { printReference } from './print-reference.ts';

test('docs/reference/cli.md says what the program does', async () => {
  const page = await readFile(new URL('../../../docs/reference/cli.md', import.meta.url), 'utf8');
  expect(printReference(), 'write it anew: node apps/cli/src/print-reference.ts > docs/reference/cli.md').toBe(page);
});
